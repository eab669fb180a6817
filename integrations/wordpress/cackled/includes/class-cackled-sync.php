<?php
/** A copy of the comments in WordPress: what changed since the last time is fetched, a hundred at a time. */

defined( 'ABSPATH' ) || exit;

final class Cackled_Sync {
	const HOOK  = 'cackled_sync';
	const SINCE = 'cackled_since';
	const MOST  = 20;

	public static function register(): void {
		add_filter( 'cron_schedules', array( __CLASS__, 'schedules' ) ); // phpcs:ignore WordPress.WP.CronInterval
		add_action( self::HOOK, array( __CLASS__, 'run' ) );
		add_action( 'init', array( __CLASS__, 'schedule' ) );
	}

	public static function schedules( array $known ): array {
		$known['cackled'] = array(
			'interval' => 300,
			'display'  => __( 'Every five minutes', 'cackled' ),
		);
		return $known;
	}

	public static function schedule(): void {
		if ( Cackled_Options::get( 'sync' ) && ! wp_next_scheduled( self::HOOK ) ) {
			wp_schedule_event( time() + 60, 'cackled', self::HOOK );
		} elseif ( ! Cackled_Options::get( 'sync' ) ) {
			self::unschedule();
		}
	}

	public static function unschedule(): void {
		wp_clear_scheduled_hook( self::HOOK );
	}

	/** Fetch what changed. What could not be fetched comes the next time. */
	public static function run(): void {
		if ( ! Cackled_Options::ready() || get_transient( 'cackled_running' ) ) {
			return;
		}
		set_transient( 'cackled_running', 1, 240 );
		// Many may have changed at one moment, so the pages of one question are read to their end before the next one.
		$state = array_merge( array( 'since' => 0, 'page' => 0, 'last' => 0 ), (array) get_option( self::SINCE, array() ) );
		for ( $n = 0; $n < self::MOST; $n++ ) {
			$told = Cackled_Client::listed( '/api/3.0/comment/list.json', array( 'modified' => $state['since'], 'page' => $state['page'], 'size' => 100 ) );
			if ( is_wp_error( $told ) || ! isset( $told['comments'] ) ) {
				break;
			}
			foreach ( $told['comments'] as $one ) {
				self::keep( $one );
				$state['last'] = max( $state['last'], (int) $one['modified'] );
			}
			$whole = count( $told['comments'] ) >= 100;
			$state = $whole
				? array( 'page' => $state['page'] + 1 ) + $state
				: array( 'since' => max( $state['since'], $state['last'] ), 'page' => 0 ) + $state;
			update_option( self::SINCE, $state, false );
			if ( ! $whole ) {
				break;
			}
		}
		delete_transient( 'cackled_running' );
	}

	private static function found( $id ): int {
		$known = get_comments( array( 'meta_key' => 'cackled_id', 'meta_value' => (string) $id, 'status' => 'any', 'number' => 1, 'fields' => 'ids' ) ); // phpcs:ignore WordPress.DB.SlowDBQuery
		return $known ? (int) $known[0] : 0;
	}

	private static function keep( array $one ): void {
		$post = get_post( (int) $one['chan']['channel'] );
		if ( ! $post ) {
			return;
		}
		$states = array( 'approved' => 1, 'spam' => 'spam', 'deleted' => 'trash' );
		$who    = $one['author'] ?? $one['anonym'] ?? array();
		$own    = isset( $who['openId'] ) && 'sso' === ( $who['provider'] ?? '' ) ? (int) substr( strstr( $who['openId'], '_' ), 1 ) : 0;
		$made   = array(
			'comment_post_ID'      => $post->ID,
			'comment_parent'       => empty( $one['parentId'] ) ? 0 : self::found( $one['parentId'] ),
			'comment_author'       => (string) ( $who['name'] ?? '' ),
			'comment_author_email' => (string) ( $who['email'] ?? '' ),
			'comment_author_url'   => esc_url_raw( (string) ( $who['www'] ?? '' ) ),
			'comment_author_IP'    => (string) ( $one['ip'] ?? '' ),
			'comment_content'      => wp_kses_post( (string) $one['message'] ),
			'comment_approved'     => $states[ $one['status'] ] ?? 0,
			'comment_date_gmt'     => gmdate( 'Y-m-d H:i:s', (int) ( $one['created'] / 1000 ) ),
			'comment_karma'        => (int) $one['rating'],
			'comment_agent'        => 'cackled',
			'user_id'              => $own,
		);
		$made['comment_date'] = get_date_from_gmt( $made['comment_date_gmt'] );
		$there                = self::found( $one['id'] );
		if ( $there ) {
			wp_update_comment( array( 'comment_ID' => $there ) + wp_slash( $made ) );
		} elseif ( 'deleted' !== $one['status'] ) {
			$there = wp_insert_comment( wp_slash( $made ) );
			add_comment_meta( $there, 'cackled_id', (string) $one['id'], true );
		}
	}
}
