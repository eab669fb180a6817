<?php
/** What the plugin kept goes with it; comments stay. */

defined( 'WP_UNINSTALL_PLUGIN' ) || exit;

delete_option( 'cackled' );
delete_option( 'cackled_since' );
wp_clear_scheduled_hook( 'cackled_sync' );
