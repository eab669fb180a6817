<?php
/** Calls of the server. Keys go in a header where the call takes one, else in the body or query, over https. */

defined( 'ABSPATH' ) || exit;

final class Cackled_Client {
	/** A GET of one of Cackle's lists; the decoded answer, or WP_Error. */
	public static function listed( string $path, array $query ) {
		$key   = (string) Cackled_Options::get( 'key' );
		$query = array_merge(
			array(
				'id'            => (int) Cackled_Options::get( 'site' ),
				'siteApiKey'    => $key,
				'accountApiKey' => $key,
			),
			$query
		);
		return self::decoded( wp_remote_get( Cackled_Options::server() . $path . '?' . http_build_query( $query ), array( 'timeout' => 15 ) ) );
	}

	/** A POST of a form. */
	public static function posted( string $path, array $fields ) {
		$key    = (string) Cackled_Options::get( 'key' );
		$fields = array_merge(
			array(
				'id'            => (int) Cackled_Options::get( 'site' ),
				'siteApiKey'    => $key,
				'accountApiKey' => $key,
			),
			$fields
		);
		return self::decoded(
			wp_remote_post(
				Cackled_Options::server() . $path,
				array(
					'timeout' => 30,
					'body'    => $fields,
				)
			)
		);
	}

	/** The comments of a post as HTML, made on the server; '' where they can't be had. */
	public static function fragment( string $channel ): string {
		$kept = get_transient( 'cackled_' . md5( $channel ) );
		if ( is_string( $kept ) ) {
			return $kept;
		}
		$address = Cackled_Options::server() . '/threads/' . (int) Cackled_Options::get( 'site' ) . '/fragment?' . http_build_query( array( 'channel' => $channel ) );
		$answer  = wp_remote_get( $address, array( 'timeout' => 2 ) );
		$good    = ! is_wp_error( $answer ) && 200 === wp_remote_retrieve_response_code( $answer );
		$html    = $good ? (string) wp_remote_retrieve_body( $answer ) : '';
		// A server that does not answer is not asked again by every reader.
		set_transient( 'cackled_' . md5( $channel ), $html, $good ? 60 : 30 );
		return $html;
	}

	private static function decoded( $answer ) {
		if ( is_wp_error( $answer ) ) {
			return $answer;
		}
		$body = json_decode( wp_remote_retrieve_body( $answer ), true );
		$code = (int) wp_remote_retrieve_response_code( $answer );
		if ( $code >= 400 || ! is_array( $body ) ) {
			$why = is_array( $body ) ? ( $body['detail'] ?? $body['responseApi']['error'] ?? '' ) : '';
			return new WP_Error( 'cackled', '' !== $why ? $why : sprintf( 'HTTP %d', $code ) );
		}
		return $body;
	}
}
