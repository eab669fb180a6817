"""Browser source: loader, widgets, styles, locales."""
