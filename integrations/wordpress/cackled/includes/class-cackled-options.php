<?php
/** What the owner has set. */

defined( 'ABSPATH' ) || exit;

final class Cackled_Options {
	const NAME = 'cackled';

	public static function all(): array {
		$given = get_option( self::NAME, array() );
		return array_merge(
			array(
				'server'  => '',
				'site'    => 0,
				'key'     => '',
				'printed' => true,
				'sso'     => false,
				'secret'  => '',
				'sync'    => false,
			),
			is_array( $given ) ? $given : array()
		);
	}

	public static function get( string $name ) {
		return self::all()[ $name ];
	}

	/** The server's address without a slash at its end. */
	public static function server(): string {
		return untrailingslashit( (string) self::get( 'server' ) );
	}

	public static function ready(): bool {
		return '' !== self::server() && (int) self::get( 'site' ) > 0;
	}

	/** What names the conversation of a post: its number, which a new address does not change. */
	public static function channel( $post ): string {
		return (string) $post->ID;
	}

	/** What was typed into the settings, as it is kept. */
	public static function cleaned( $given ): array {
		$given = is_array( $given ) ? $given : array();
		$old   = self::all();
		$url   = esc_url_raw( trim( (string) ( $given['server'] ?? '' ) ), array( 'http', 'https' ) );
		if ( '' === $url && '' !== trim( (string) ( $given['server'] ?? '' ) ) ) {
			add_settings_error( self::NAME, 'server', __( 'That is no web address.', 'cackled' ) );
			$url = $old['server'];
		}
		$made = array(
			'server'  => untrailingslashit( $url ),
			'site'    => absint( $given['site'] ?? 0 ),
			'printed' => ! empty( $given['printed'] ),
			'sso'     => ! empty( $given['sso'] ),
			'sync'    => ! empty( $given['sync'] ),
		);
		// An empty field leaves a secret as it is: it is never shown.
		foreach ( array( 'key', 'secret' ) as $name ) {
			$typed         = trim( (string) ( $given[ $name ] ?? '' ) );
			$made[ $name ] = '' === $typed ? $old[ $name ] : $typed;
		}
		return $made;
	}
}
