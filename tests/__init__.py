"""The tests of cackled."""

from hypothesis import HealthCheck, settings

from tests.support.web import ready

# How long an example takes says more about the machine than about the program.
settings.register_profile("cackled", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("cackled")

ready()
