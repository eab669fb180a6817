"""What the public listeners answer, put together once the application is open."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from twisted.web.resource import IResource

from cackled.accounts.authentication import Gate
from cackled.accounts.pictures import AccountPictures
from cackled.admin.http import Healthz, Readyz
from cackled.api.adapters import PLACES, Adapters
from cackled.api.bootstrap import Bootstrap
from cackled.api.context import ApiContext
from cackled.api.docs import DocsPages
from cackled.api.feeds import Feeds
from cackled.api.file_feeds import FileFeeds
from cackled.api.large_bodies import LargeBodies
from cackled.api.loader_redirect import LoaderRedirect
from cackled.api.moderate import ModerateResource
from cackled.api.old_calls import OldCalls
from cackled.api.panel import PanelPages, app_files
from cackled.api.public_root import public_root
from cackled.api.root import api_resource
from cackled.api.static_pages import StaticPages
from cackled.api.threads import Threads
from cackled.clock import wall_time
from cackled.daemon.access import Access
from cackled.daemon.infrastructure import WEB, Infrastructure
from cackled.domain.conversation_access import Doors
from cackled.domain.errors import PROBLEMS
from cackled.domain.limits import CallLimits
from cackled.domain.sessions import Sessions
from cackled.identity.avatar import AvatarResource, Pictures
from cackled.identity.flow import SignIn
from cackled.identity.resource import AuthResource, CommentoCallback
from cackled.languages import section_texts
from cackled.media.attachment_resource import AttachmentResource
from cackled.media.resource import Gallery, MediaResource
from cackled.privacy.parts import PrivacyParts
from cackled.privacy.store import PrivacyLinks
from cackled.products.comments.notices.links import NoticeLinks
from cackled.products.comments.notices.pages import NoticePages
from cackled.realtime.resource import RealtimeResource
from cackled.sharing.connecting import Sharing
from cackled.sharing.resource import ShareResource
from cackled.transfers.exports import DownloadLinks
from cackled.transfers.formats import KnownFormats
from cackled.transfers.resource import ExportFiles
from cackled.transport.http import client_address
from cackled.transport.microcache import MicrocachedResource
from cackled.transport.secure import OwnNames, OwnPages

if TYPE_CHECKING:
    from cackled.daemon.application import Application

# Parts of the panel that are fetched when they are opened, with words of their own.
PANEL_PARTS = {
    "chat": WEB / "panel" / "console" / "locales",
    "chatpages": WEB / "panel" / "console" / "pages" / "locales",
}


def public_tree(
    infrastructure: Infrastructure, application: Application, sessions: Sessions, limits: CallLimits, *, demo: bool
) -> IResource:
    """The tree of all listeners that visitors reach; *demo*: with the demo's pages."""
    config, registry = infrastructure.config, application.registry
    doors = Doors(application.grants, sessions, application.database, registry.names)
    context = ApiContext(
        sites=application.sites,
        sessions=sessions,
        grants=application.grants,
        doors=doors,
        wall_time=wall_time,
        own_url=config.own_url,
        limits=limits,
        services=application.services,
        client_address=client_address,
        count_read=application.usage.count,
        gate=application.shared[Gate],
        shared=application.shared,
    )
    bootstrap = Bootstrap(context, registry.widgets)
    proofs = {name: application.shared[kind] for name, kind in registry.proofs.items()}
    access = Access(
        application.sites, application.grants, doors, wall_time, application.tickets, proofs, application.hub.guard
    )
    charge = partial(access.charge, limits)
    deeds = {"ban": application.ban_by_link, **registry.deeds(application.parts)}
    own = OwnNames([node.url for node in config.nodes] + [one.url for one in config.deployments])
    demo_pages = StaticPages(WEB / "demo", devel=config.env == "devel") if demo else None
    api = api_resource(context, registry.routes, PROBLEMS | registry.problems, bootstrap)
    root = public_root(
        loader=LoaderRedirect(infrastructure.loader, application.sites.residency),
        assets=infrastructure.assets.resource(),
        bootstrap=MicrocachedResource(infrastructure.microcache, bootstrap.answer, bypass=bootstrap.personal),
        api=api,
        adapters={
            place: Adapters(WEB / "adapters", place, devel=config.env == "devel") for place in PLACES
        },
        old=OldCalls(context, registry.old_calls),
        docs=OwnPages(DocsPages(WEB / "apidocs", api.document), config.http.hsts, own),
        realtime=RealtimeResource(
            application.hub, access.authorize, access.name_of, access.seconds_left, charge, access.admits
        ),
        threads=MicrocachedResource(
            infrastructure.microcache, Threads(context, registry.threads, application.sites.secret).answer,
            methods=(b"GET", b"POST"), below=True,
        ),
        feeds=FileFeeds(
            context, registry.files,
            MicrocachedResource(infrastructure.microcache, Feeds(context, registry.feeds).answer, below=True),
        ),
        notices=OwnPages(NoticePages(context, application.shared[NoticeLinks]), config.http.hsts, own),
        healthz=Healthz(),
        readyz=Readyz(
            infrastructure.health, details=False, deployment=config.deployment, problems=infrastructure.problems.now
        ),
        demo=None if demo_pages is None else OwnPages(demo_pages, config.http.hsts, own),
        well_known=infrastructure.well_known(),
        panel=OwnPages(
            PanelPages(
                infrastructure.assets.urls,
                section_texts(WEB / "panel" / "locales", "panel"),
                {f"{part}-{name}": text
                 for part, folder in PANEL_PARTS.items()
                 for name, text in section_texts(folder, "panel").items()},
                app_files(WEB / "panel" / "app"),
            ),
            config.http.hsts,
            own,
        ),
        privacy=OwnPages(
            application.shared[PrivacyParts].pages(
                context, application.shared[PrivacyLinks], application.erasures
            ),
            config.http.hsts,
            own,
        ),
        exports=ExportFiles(
            application.sites, application.database, application.shared[DownloadLinks],
            application.shared[KnownFormats],
        ),
        avatar=AvatarResource(
            application.sites, application.shared[Pictures], limits, client_address,
            application.shared[AccountPictures].body,
        ),
        media=MediaResource(
            application.sites, application.shared[Gallery], limits, client_address, application.signed_media
        ),
        files=AttachmentResource(
            application.sites, application.database, application.shared[Gallery], limits, client_address,
            application.signed_media,
        ),
        auth=OwnPages(
            AuthResource(
                application.sites, application.shared[SignIn], application.database, limits, client_address,
                config.own_url, wall_time,
            ),
            config.http.hsts,
            own,
        ),
        share=OwnPages(
            ShareResource(
                application.sites, application.shared[Sharing], limits, client_address, config.own_url
            ),
            config.http.hsts,
            own,
        ),
        commento=CommentoCallback(application.sites, application.shared[SignIn]),
        moderate=OwnPages(
            ModerateResource(
                application.links, application.sites, deeds, charge, client_address, application.router.wrote_here
            ),
            config.http.hsts,
            own,
        ),
    )
    root.bodies = LargeBodies(context, registry.routes, config.http.body_bytes)
    return root
