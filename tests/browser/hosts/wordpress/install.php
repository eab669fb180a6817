<?php
/* Installs WordPress with the plugin switched on. */
$socket = getenv( 'WP_SOCKET' );
( new mysqli( 'localhost', 'root', '', '', 0, $socket ) )->query( 'create database wordpress' );
define( 'WP_INSTALLING', true );
require getenv( 'WP_ROOT' ) . '/wp-load.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';
require_once ABSPATH . 'wp-admin/includes/plugin.php';
// In place of a letter to the owner.
function wp_new_blog_notification() {}
wp_install( 'A blog', 'admin', 'admin@example.test', true, '', 'a-password' );
wp_create_user( 'reader', 'a-password', 'reader@example.test' );
$told = activate_plugin( 'cackled/cackled.php' );
echo is_wp_error( $told ) ? $told->get_error_message() : 'installed';
