"""How visitors of a site show who they are: by the site's own word, or by signing in with somebody else's."""
