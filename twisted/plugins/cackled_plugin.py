"""Tells twistd about `cackled`; imports nothing heavy."""

from twisted.application.service import ServiceMaker

cackled = ServiceMaker("cackled", "cackled.tap", "Live comments for web sites, in one daemon.", "cackled")
