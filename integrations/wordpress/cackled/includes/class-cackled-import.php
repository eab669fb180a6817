<?php
/** Comments that are in WordPress already are brought to the server, post by post, a hundred at a time; again does no harm. */

defined( 'ABSPATH' ) || exit;

final class Cackled_Import {
	public static function register(): void {
		add_action( 'wp_ajax_cackled_import', array( __CLASS__, 'step' ) );
	}

	/** A button that goes on until all is there, and says how far it is. */
	public static function form(): void {
		if ( ! Cackled_Options::ready() ) {
			return;
		}
		wp_enqueue_script( 'cackled-import', plugins_url( '../import.js', __FILE__ ), array(), '0.1.0', true );
		printf(
			'<h2>%s</h2><p><button class="button" id="cackled-import" data-nonce="%s">%s</button> <span role="status" id="cackled-import-status"></span></p>',
			esc_html__( 'Bring comments over', 'cackled' ),
			esc_attr( wp_create_nonce( 'cackled_import' ) ),
			esc_html__( 'Send the comments of WordPress', 'cackled' )
		);
	}

	/** One step: the comments of WordPress after a number. */
	public static function step(): void {
		check_ajax_referer( 'cackled_import' );
		if ( ! current_user_can( 'manage_options' ) ) {
			wp_send_json_error( '', 403 );
		}
		$after = absint( $_POST['after'] ?? 0 );
		$batch = self::after( $after );
		if ( ! $batch ) {
			wp_send_json_success( array( 'done' => true ) );
		}
		$by_post = array();
		foreach ( $batch as $one ) {
			$by_post[ $one->comment_post_ID ][] = self::row( $one );
		}
		foreach ( $by_post as $id => $comments ) {
			$told = Cackled_Client::posted(
				'/api/3.0/comment/post.json',
				array(
					'comments' => wp_json_encode(
						array(
							'chan'     => (string) $id,
							'url'      => get_permalink( $id ),
							'title'    => get_the_title( $id ),
							'comments' => $comments,
						)
					),
				)
			);
			if ( is_wp_error( $told ) ) {
				wp_send_json_error( $told->get_error_message() );
			}
		}
		wp_send_json_success( array( 'after' => (int) end( $batch )->comment_ID ) );
	}

	private static function after( int $number ): array {
		global $wpdb;
		return $wpdb->get_results( // phpcs:ignore WordPress.DB.DirectDatabaseQuery
			$wpdb->prepare(
				"select * from {$wpdb->comments} where comment_ID > %d and comment_type in ('', 'comment') and comment_agent <> 'cackled' order by comment_ID limit 100",
				$number
			)
		);
	}

	private static function row( $one ): array {
		$states = array( '1' => 'approved', '0' => 'pending', 'spam' => 'spam', 'trash' => 'deleted' );
		$row    = array(
			'id'      => $one->comment_ID,
			'parent'  => $one->comment_parent ? $one->comment_parent : '',
			'msg'     => $one->comment_content,
			'status'  => $states[ $one->comment_approved ] ?? 'pending',
			'created' => (string) ( 1000 * strtotime( $one->comment_date_gmt . ' UTC' ) ),
			'ip'      => $one->comment_author_IP,
		);
		$who    = array( 'name' => $one->comment_author, 'email' => $one->comment_author_email, 'www' => $one->comment_author_url );
		return $one->user_id ? $row + array( 'user' => $who + array( 'id' => $one->user_id ) ) : $row + $who;
	}
}
