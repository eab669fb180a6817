<?php
/** Who reads: a JWT (HS256) signed with the site's secret says it, for ten minutes. */

defined( 'ABSPATH' ) || exit;

final class Cackled_Sso {
	/** The statement for the embed call; '' where nobody is signed in. */
	public static function statement(): string {
		$user   = wp_get_current_user();
		$secret = (string) Cackled_Options::get( 'secret' );
		if ( ! Cackled_Options::get( 'sso' ) || '' === $secret || ! $user->exists() ) {
			return '';
		}
		$now    = time();
		$claims = array(
			'sub'   => (string) $user->ID,
			'aud'   => 'site:' . (int) Cackled_Options::get( 'site' ),
			'iat'   => $now,
			'exp'   => $now + 600,
			'name'  => $user->display_name,
			'email' => $user->user_email,
		);
		return self::signed( $claims, $secret );
	}

	public static function signed( array $claims, string $secret ): string {
		$head = self::base64( '{"alg":"HS256","typ":"JWT"}' );
		$body = self::base64( wp_json_encode( $claims ) );
		return "$head.$body." . self::base64( hash_hmac( 'sha256', "$head.$body", $secret, true ) );
	}

	private static function base64( string $text ): string {
		return rtrim( strtr( base64_encode( $text ), '+/', '-_' ), '=' );
	}
}
