<?php
/** The page of settings: which server, which site, which keys; and whether they are right. */

defined( 'ABSPATH' ) || exit;

final class Cackled_Settings {
	public static function register(): void {
		add_action( 'admin_menu', array( __CLASS__, 'menu' ) );
		add_action( 'admin_init', array( __CLASS__, 'fields' ) );
	}

	public static function menu(): void {
		add_options_page( 'cackled', __( 'Comments (cackled)', 'cackled' ), 'manage_options', 'cackled', array( __CLASS__, 'page' ) );
	}

	public static function fields(): void {
		register_setting( 'cackled', Cackled_Options::NAME, array( 'sanitize_callback' => array( 'Cackled_Options', 'cleaned' ) ) );
		add_settings_section( 'main', '', '__return_false', 'cackled' );
		$fields = array(
			'server'  => array( __( 'Server', 'cackled' ), 'url', __( 'https://comments.example', 'cackled' ) ),
			'site'    => array( __( 'Number of the site', 'cackled' ), 'number', '' ),
			'key'     => array( __( 'Key of the site', 'cackled' ), 'password', __( 'For "read" and "sync": made in the panel under Keys. Left empty, it stays as it is.', 'cackled' ) ),
			'printed' => array( __( 'Print comments into pages', 'cackled' ), 'checkbox', __( 'For search engines and readers without scripts.', 'cackled' ) ),
			'sso'     => array( __( 'Sign your users in', 'cackled' ), 'checkbox', __( 'Whoever is signed in to WordPress writes under that name.', 'cackled' ) ),
			'secret'  => array( __( 'Secret for signing in', 'cackled' ), 'password', __( 'The setting channel_secret of the site, or a key for "sso".', 'cackled' ) ),
			'sync'    => array( __( 'Keep a copy in WordPress', 'cackled' ), 'checkbox', __( 'Comments are fetched every five minutes.', 'cackled' ) ),
		);
		foreach ( $fields as $name => list( $label, $type, $hint ) ) {
			add_settings_field(
				$name,
				esc_html( $label ),
				array( __CLASS__, 'field' ),
				'cackled',
				'main',
				array(
					'name'      => $name,
					'type'      => $type,
					'hint'      => $hint,
					'label_for' => "cackled-$name",
				)
			);
		}
	}

	public static function field( array $one ): void {
		$value = Cackled_Options::get( $one['name'] );
		$name  = Cackled_Options::NAME . '[' . $one['name'] . ']';
		if ( 'checkbox' === $one['type'] ) {
			printf( '<input type="checkbox" id="%s" name="%s" value="1" %s>', esc_attr( $one['label_for'] ), esc_attr( $name ), checked( (bool) $value, true, false ) );
		} else {
			// Secrets are typed, and never shown.
			$shown = 'password' === $one['type'] ? '' : (string) $value;
			printf( '<input class="regular-text" type="%s" id="%s" name="%s" value="%s" autocomplete="off">', esc_attr( $one['type'] ), esc_attr( $one['label_for'] ), esc_attr( $name ), esc_attr( $shown ) );
		}
		if ( '' !== $one['hint'] ) {
			printf( '<p class="description">%s</p>', esc_html( $one['hint'] ) );
		}
	}

	public static function page(): void {
		echo '<div class="wrap"><h1>' . esc_html__( 'Comments (cackled)', 'cackled' ) . '</h1>';
		if ( Cackled_Options::ready() && '' !== Cackled_Options::get( 'key' ) ) {
			$told = Cackled_Client::listed( '/api/2.0/site/info.json', array() );
			$good = ! is_wp_error( $told ) && ! empty( $told['siteInfo']['correctKey'] );
			$text = $good ? __( 'The server knows the key.', 'cackled' ) : sprintf( /* translators: %s: what the server said */ __( 'The key is not right: %s', 'cackled' ), is_wp_error( $told ) ? $told->get_error_message() : ( $told['error'] ?? '' ) );
			printf( '<div class="notice notice-%s"><p>%s</p></div>', $good ? 'success' : 'error', esc_html( $text ) );
		}
		echo '<form method="post" action="options.php">';
		settings_fields( 'cackled' );
		do_settings_sections( 'cackled' );
		submit_button();
		echo '</form>';
		Cackled_Import::form();
		echo '</div>';
	}
}
