<?php
/**
 * Plugin Name: cackled comments
 * Description: Comments of your own cackled server below your posts: live, with the comments in the page for search engines, your users signed in, and a copy kept in WordPress.
 * Version: 0.1.0
 * Requires at least: 6.0
 * Requires PHP: 7.4
 * License: GPL-2.0-or-later
 * Text Domain: cackled
 */

defined( 'ABSPATH' ) || exit;

require_once __DIR__ . '/includes/class-cackled-options.php';
require_once __DIR__ . '/includes/class-cackled-client.php';
require_once __DIR__ . '/includes/class-cackled-settings.php';
require_once __DIR__ . '/includes/class-cackled-sso.php';
require_once __DIR__ . '/includes/class-cackled-sync.php';
require_once __DIR__ . '/includes/class-cackled-import.php';

add_filter(
	'comments_template',
	function ( $theirs ) {
		return Cackled_Options::ready() && is_singular() ? __DIR__ . '/templates/comments.php' : $theirs;
	}
);
// Themes made of blocks have no such template: there the block of the comments gives way.
add_filter(
	'pre_render_block',
	function ( $theirs, $block ) {
		$blocks = array( 'core/comments', 'core/comments-query-loop', 'core/post-comments', 'core/post-comments-form' );
		if ( ! in_array( $block['blockName'] ?? '', $blocks, true ) || ! Cackled_Options::ready() || ! is_singular() ) {
			return $theirs;
		}
		if ( 'core/post-comments-form' === $block['blockName'] ) {
			return '';
		}
		ob_start();
		require __DIR__ . '/templates/comments.php';
		return ob_get_clean();
	},
	10,
	2
);
// Numbers beside titles come from the copy that the synchronisation keeps: no script of ours on lists.
Cackled_Settings::register();
Cackled_Sync::register();
Cackled_Import::register();

register_activation_hook( __FILE__, array( 'Cackled_Sync', 'schedule' ) );
register_deactivation_hook( __FILE__, array( 'Cackled_Sync', 'unschedule' ) );
