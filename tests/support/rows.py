"""A row of a site in every table that has one, for tests of what holds for all tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Run = Callable[..., list[tuple[Any, ...]]]


def fill_features(run: Run, site: int) -> None:
    """A row of *site* in each table of features and products; it has a comment in channel 5, and rows in those of the
    core. *run* runs SQL as the superuser and gives its rows."""
    run(f"select record_audit({site}, 'account:1', 'Ann', 'ban.added')")
    run(f"insert into person (site_id, visitor_id, name, skeleton) values ({site}, 5, 'Ann', 'ann')")
    run(
        f"insert into person_identity (site_id, provider, subject, visitor_id) values ({site}, 'p', 's', 5)"
    )
    run(f"insert into one_time values ({site}, 'code', 'x', '', now())")
    run(f"insert into sso_refusal (site_id, form, reason, detail) values ({site}, 'jwt', 'r', 'd')")
    run(f"insert into sign_in_provider (site_id, name, kind) values ({site}, 'acme', 'oidc')")
    run(f"select staff_channel({site}, 6)")
    run(f"insert into moderation_action (site_id, who, action) values ({site}, 'a', 'spam')")
    run(
        f"select note_step({site}, id, 'comment:1', 'spam', 'A', '', 1, 'spam') from moderation_action "
        f"where site_id = {site}"
    )
    run(f"select claim_item({site}, 'comment:1', 'a', 'A', 60)")
    run(f"insert into author_note (site_id, visitor_id, who, body) values ({site}, 9, 'a', 'b')")
    run(f"insert into author_warning (site_id, visitor_id, who, body, read_at) values ({site}, 9, 'a', 'b', now())")
    run(f"insert into ban_action values ({site}, 1, 1)")
    run(f"select search_again({site}, id) from comment where site_id = {site}")
    run(f"select keep_rules({site}, 0, '{{}}', 'account:1', true)")
    run(f"select teach({site}, 'comment', 5, 9, true)")
    run(f"select learn({site}, 'comment', array[5], array['1,2'])")
    run(f"insert into moderator_day (site_id, day, who, deed) values ({site}, now(), 'a', 'x')")
    run(f"insert into page_day (site_id, day, channel_id) values ({site}, now(), 5)")
    run(f"select count_state({site}, 'comment', now(), 0, 1)")
    run(f"insert into comment_mark select {site}, id, 'link' from comment where site_id = {site}")
    for kept in ("comment_revision", "comment_kept"):
        run(f"insert into {kept} select {site}, id, 's', 'h' from comment where site_id = {site}")
    run(f"select note_change({site}, id, 'a', 'edit', '', '', '') from comment where site_id = {site}")
    fill_others(run, site)


def fill_others(run: Run, site: int) -> None:
    """A row of *site* in each table that has none yet, with any values in the columns that need one."""
    tables = run(
        "select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'site_id' "
        "and not a.attisdropped where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace "
        "and not c.relispartition order by 1"
    )
    for (name,) in tables:
        if run(f"select 1 from {name} where site_id = {site}"):
            continue
        needed = run(
            """
            select a.attname, case t.typcategory when 'N' then '1' when 'S' then '''x''' when 'D' then 'now()'
              when 'B' then 'true' when 'I' then '''192.0.2.0/24''' when 'A' then '''{1}''' when 'U' then '''x'''
              else 'null' end
            from pg_attribute a join pg_type t on t.oid = a.atttypid
            where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped and a.attnotnull
              and not a.atthasdef and a.attidentity = '' and a.attname <> 'site_id'
            """,
            name,
        )
        columns = ", ".join(("site_id", *(str(row[0]) for row in needed)))
        values = ", ".join((str(site), *(str(row[1]) for row in needed)))
        run(f"insert into {name} ({columns}) values ({values})")
