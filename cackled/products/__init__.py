"""The products: what a site can put on its pages. Each is a package that can be read alone."""

from __future__ import annotations

from cackled.products import chat, comments, polls, reviews
from cackled.products.product import Product

# All there are, by name and not by discovery: a product is added here.
PRODUCTS: tuple[Product, ...] = (comments.PRODUCT, polls.PRODUCT, reviews.PRODUCT, chat.PRODUCT)
