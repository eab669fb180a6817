<?php
/** In place of the theme's comments: the conversation as it stands, and the script that makes it live. */

defined( 'ABSPATH' ) || exit;

$cackled_post    = get_post();
$cackled_channel = Cackled_Options::channel( $cackled_post );
$cackled_widget  = array(
	'widget'  => 'Comment',
	'id'      => (int) Cackled_Options::get( 'site' ),
	'channel' => $cackled_channel,
	'url'     => get_permalink( $cackled_post ),
	'title'   => get_the_title( $cackled_post ),
	'lang'    => get_bloginfo( 'language' ),
);
$cackled_said    = Cackled_Sso::statement();
if ( '' !== $cackled_said ) {
	$cackled_widget['sso'] = $cackled_said;
}
?>
<div id="comments" class="comments-area">
	<div id="mc-container">
		<?php if ( Cackled_Options::get( 'printed' ) ) : ?>
		<div id="mc-content"><?php echo Cackled_Client::fragment( $cackled_channel ); // phpcs:ignore WordPress.Security.EscapeOutput -- HTML that our own server made and sanitised. ?></div>
		<?php endif; ?>
	</div>
	<script>
		window.cackle_widget = window.cackle_widget || [];
		window.cackle_widget.push(<?php echo wp_json_encode( $cackled_widget, JSON_HEX_TAG | JSON_HEX_AMP ); ?>);
	</script>
	<script async src="<?php echo esc_url( Cackled_Options::server() . '/widget.js' ); ?>"></script>
</div>
