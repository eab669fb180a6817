"""What products declare, put together."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from cackled import config
from cackled.api.router import Table
from cackled.config import ConfigError, Limits, Rate
from cackled.features import FEATURES
from cackled.products import PRODUCTS
from cackled.products.product import Limit, Product
from cackled.products.registry import Registry


class RegistryTests(SynchronousTestCase):
    """`Registry`."""

    def test_twice(self) -> None:
        """Names that products share are found when they are put together."""
        for product in PRODUCTS:
            self.assertRaises(ValueError, Registry, (*PRODUCTS, product))
        self.assertRaises(ValueError, Registry, (Product(name="a"), Product(name="a")))

    def test_limits_of_routes(self) -> None:
        """Every route of a product draws from a limit that is declared, by it or by a feature (uploads)."""
        registry = Registry(PRODUCTS)
        Table(registry.routes)
        names = {limit.name for limit in Registry((*PRODUCTS, *FEATURES)).limits(Limits())}
        self.assertLessEqual({route.limit for route in registry.routes if route.limit}, names)

    def limits(self, toml: str = "", products: tuple[Product, ...] = PRODUCTS) -> dict[str, Any]:
        """(rate, burst, rate of the site, whose bucket) by name."""
        given = config.parse(toml.encode()).limits
        found = Registry(products).limits(given)
        return {one.name: (one.rate.rate, one.rate.burst, one.rate.site_rate, one.like) for one in found}

    def test_limits(self) -> None:
        """Defaults, the names of before, and a limit by its name, which then is its own."""
        found = self.limits()
        self.assertEqual(found["comments.post"], (0.5, 10, 200, ""))
        self.assertEqual(found["comments.vote"], (2, 40, None, ""))
        self.assertEqual(found["comments.flag"][3], "comments.vote")
        self.assertEqual(found["blocks.write"][3], "comments.vote")
        found = self.limits("[limits]\nposts_per_address = 3\nvotes_burst = 7\nposts_per_site = 9\n")
        self.assertEqual(found["comments.post"], (3, 10, 9, ""))
        self.assertEqual(found["comments.vote"], (2, 7, None, ""))
        found = self.limits('[limits.calls."comments.flag"]\nrate = 0.1\nburst = 2\n')
        self.assertEqual(found["comments.flag"], (0.1, 2, None, ""))
        other = Product(name="wall", limits=(Limit(name="put", rate=4, burst=8),))
        self.assertEqual(self.limits(products=(*PRODUCTS, other))["wall.put"], (4, 8, None, ""))

    def test_unknown_limit(self) -> None:
        """A limit that there is not is refused, and those that there are are named."""
        error = self.assertRaises(
            ConfigError, Registry(PRODUCTS).limits, Limits(calls={"comments.pots": Rate(rate=1, burst=1)})
        )
        self.assertIn("comments.post", str(error))
