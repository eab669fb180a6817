/** Stands in loader.js where the server puts the configuration. */
declare const __CACKLE_CONFIG__: any;
