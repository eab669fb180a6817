"""The products: what a site can put on its pages. Each is a package that can be read alone."""
