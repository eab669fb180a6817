"""The table of countries."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from cackled.geo.countries import CONTINENTS, COUNTRIES
from cackled.geo.nearest import distance_km, vector


class CountriesTests(SynchronousTestCase):
    def test_all_there(self) -> None:
        """All 249 codes of ISO 3166 and Kosovo, each on the globe."""
        self.assertEqual(len(COUNTRIES), 250)
        for code, (latitude, longitude) in {**COUNTRIES, **CONTINENTS}.items():
            self.assertTrue(len(code) == 2 and code.isupper(), code)
            self.assertTrue(-90 <= latitude <= 90 and -180 <= longitude <= 180, code)

    def test_no_signs_lost(self) -> None:
        """Neighbours are near each other: a lost minus sign would put them on other continents."""
        for one, other in (
            ("US", "CA"), ("BR", "AR"), ("ZA", "NA"), ("AU", "NZ"), ("PT", "ES"), ("SG", "MY"), ("CL", "PE"),
            ("IS", "GB"), ("FJ", "TO"), ("KE", "TZ"), ("EC", "CO"), ("ID", "TL"), ("GH", "CI"), ("JM", "HT"),
        ):
            self.assertLess(distance_km(vector(*COUNTRIES[one]), vector(*COUNTRIES[other])), 3500, (one, other))
