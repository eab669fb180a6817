<?php
/* For PHP's own server: files as they are, the plugin's from where it is, all else by WordPress. */
$path = parse_url( $_SERVER['REQUEST_URI'], PHP_URL_PATH );
if ( 0 === strpos( $path, '/plugins/' ) ) {
	$file = realpath( getenv( 'WP_PLUGINS' ) . substr( $path, 8 ) );
	if ( false === $file || ! is_file( $file ) ) {
		http_response_code( 404 );
		return true;
	}
	header( 'Content-Type: text/javascript' );
	readfile( $file );
	return true;
}
$there = $_SERVER['DOCUMENT_ROOT'] . $path;
if ( is_file( $there ) || is_file( rtrim( $there, '/' ) . '/index.php' ) && '/' !== $path ) {
	return false;
}
$_SERVER['SCRIPT_NAME'] = '/index.php';
chdir( $_SERVER['DOCUMENT_ROOT'] );
require $_SERVER['DOCUMENT_ROOT'] . '/index.php';
