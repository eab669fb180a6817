"""HTTP server, TLS, microcache and assets. Independent of products."""
