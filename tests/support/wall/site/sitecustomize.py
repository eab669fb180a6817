"""Imported by every Python that starts with this folder in PYTHONPATH: the line that registers the wall."""

from cackled import products
from tests.support.wall import WALL

products.PRODUCTS = (*products.PRODUCTS, WALL)
