"""One file of every format, made after its description, and what comes of it."""
# ruff: noqa: E501 - files as they are

from __future__ import annotations

import json
import sqlite3

from cackled.importing.records import BadFile
from tests.products.comments.importing.common import ImportCase, gzipped, lines

DISQUS = """\ufeff<?xml version="1.0" encoding="utf-8"?>
<disqus xmlns="http://disqus.com" xmlns:dsq="http://disqus.com/disqus-internals">
<category dsq:id="1"><forum>ex</forum><title>General</title><isDefault>true</isDefault></category>
<thread dsq:id="10"><id /><forum>ex</forum><category dsq:id="1"/><link>http://example.test/a/</link><title>A</title>
<message/><createdAt>2021-03-01T08:00:00Z</createdAt><author><name>Owner</name><username>owner</username></author>
<isClosed>false</isClosed><isDeleted>false</isDeleted></thread>
<thread dsq:id="11"><id>post-7</id><link> https://example.test/a </link><title>A</title>
<createdAt>2021-03-02T08:00:00Z</createdAt><isClosed>true</isClosed><isDeleted>false</isDeleted></thread>
<post dsq:id="100"><id/><message><![CDATA[<p>Gone &amp; missed</p>]]></message><createdAt>2021-03-02T09:00:00Z</createdAt>
<isDeleted>true</isDeleted><isSpam>false</isSpam><author><name>Ann</name><isAnonymous>false</isAnonymous>
<username>ann_t</username></author><thread dsq:id="11"/></post>
<post dsq:id="101"><id/><message><![CDATA[<p>Reply
<a href="https://example.test/very/long">https://example.test/ve...</a></p>]]></message>
<createdAt>2021-03-02T09:05:00Z</createdAt><isDeleted>false</isDeleted><isSpam>false</isSpam>
<author><name>Guest</name><isAnonymous>true</isAnonymous></author><thread dsq:id="11"/><parent dsq:id="100"/></post>
<post dsq:id="102"><id/><message><![CDATA[<p>orphan</p>]]></message><createdAt>2021-03-02T09:06:00Z</createdAt>
<isDeleted>false</isDeleted><isSpam>true</isSpam><author><name>Guest</name><isAnonymous>true</isAnonymous></author>
<thread dsq:id="10"/><parent dsq:id="999"/></post>
<post dsq:id="103"><message><![CDATA[<p>no page</p>]]></message><createdAt>2021-03-02T09:06:00Z</createdAt>
<author><name>Eve</name></author><thread dsq:id="77"/></post>
<post dsq:id="104"><message><![CDATA[<p>with mail</p>]]></message><createdAt>2012-03-02T09:06:00</createdAt>
<ipAddress>192.0.2.9</ipAddress><author><email>bob@example.test</email><name>Bob</name><isAnonymous>false</isAnonymous>
<username>facebook-12</username></author><thread dsq:id="10"/></post>
</disqus>"""

WXR = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:wp="http://wordpress.org/export/1.2/" xmlns:content="http://purl.org/rss/1.0/modules/content/">
<channel><title>Blog</title><link>https://example.test</link><wp:wxr_version>1.2</wp:wxr_version>
<wp:base_blog_url>https://www.example.test</wp:base_blog_url>
<item><title>A</title><link>https://example.test/a/</link><content:encoded><![CDATA[<p>An article</p>]]></content:encoded>
<wp:post_id>7</wp:post_id><wp:status>publish</wp:status><wp:post_type>post</wp:post_type>
<wp:comment_status>closed</wp:comment_status>
<wp:comment><wp:comment_id>31</wp:comment_id><wp:comment_author><![CDATA[Ann]]></wp:comment_author>
<wp:comment_author_email>ann@example.test</wp:comment_author_email><wp:comment_author_url/>
<wp:comment_author_IP>192.0.2.7</wp:comment_author_IP><wp:comment_date>2024-05-01 12:00:00</wp:comment_date>
<wp:comment_date_gmt>2024-05-01 09:00:00</wp:comment_date_gmt><wp:comment_content><![CDATA[Line one
line <b>two</b>\x01]]></wp:comment_content><wp:comment_approved>1</wp:comment_approved><wp:comment_type>comment</wp:comment_type>
<wp:comment_parent>0</wp:comment_parent><wp:comment_user_id>0</wp:comment_user_id>
<wp:commentmeta><wp:meta_key>akismet_result</wp:meta_key><wp:meta_value><![CDATA[false]]></wp:meta_value></wp:commentmeta>
</wp:comment>
<wp:comment><wp:comment_id>32</wp:comment_id><wp:comment_author><![CDATA[Blog]]></wp:comment_author>
<wp:comment_content><![CDATA[[...] A [...]]]></wp:comment_content><wp:comment_approved>1</wp:comment_approved>
<wp:comment_type>pingback</wp:comment_type><wp:comment_parent>0</wp:comment_parent></wp:comment>
<wp:comment><wp:comment_id>33</wp:comment_id><wp:comment_author>Shop</wp:comment_author>
<wp:comment_content>secret order</wp:comment_content><wp:comment_approved>1</wp:comment_approved>
<wp:comment_type>order_note</wp:comment_type></wp:comment>
<wp:comment><wp:comment_id>34</wp:comment_id><wp:comment_author>Bob</wp:comment_author>
<wp:comment_date>2024-05-01 13:00:00</wp:comment_date><wp:comment_date_gmt>0000-00-00 00:00:00</wp:comment_date_gmt>
<wp:comment_content>trashed words</wp:comment_content><wp:comment_approved>trash</wp:comment_approved>
<wp:comment_parent>31</wp:comment_parent></wp:comment>
<wp:comment><wp:comment_id>35</wp:comment_id><wp:comment_author>Cat</wp:comment_author>
<wp:comment_date_gmt>2024-05-01 11:00:00</wp:comment_date_gmt><wp:comment_content>below it</wp:comment_content>
<wp:comment_approved>1</wp:comment_approved><wp:comment_parent>34</wp:comment_parent></wp:comment>
<wp:comment><wp:comment_id>36</wp:comment_id><wp:comment_author>Dan</wp:comment_author>
<wp:comment_date_gmt>2024-05-01 12:00:00</wp:comment_date_gmt><wp:comment_content>waits</wp:comment_content>
<wp:comment_approved>0</wp:comment_approved><wp:comment_parent>0</wp:comment_parent></wp:comment>
</item>
<item><title>Draft</title><link>https://example.test/?p=9</link><wp:post_id>9</wp:post_id><wp:status>draft</wp:status>
<wp:comment><wp:comment_id>40</wp:comment_id><wp:comment_content>secret</wp:comment_content>
<wp:comment_approved>1</wp:comment_approved></wp:comment></item>
</channel></rss>"""

ISSO = """
CREATE TABLE preferences(key VARCHAR PRIMARY KEY, value VARCHAR);
CREATE TABLE threads(id INTEGER PRIMARY KEY, uri VARCHAR(256) UNIQUE, title VARCHAR(256));
CREATE TABLE comments(tid REFERENCES threads(id), id INTEGER PRIMARY KEY, parent INTEGER, created FLOAT NOT NULL,
  modified FLOAT, mode INTEGER, remote_addr VARCHAR, text VARCHAR, author VARCHAR, email VARCHAR, website VARCHAR,
  likes INTEGER DEFAULT 0, dislikes INTEGER DEFAULT 0, voters BLOB NOT NULL, notification INTEGER DEFAULT 0);
INSERT INTO threads VALUES(1,'/a/','A'),(2,'a-name','B');
INSERT INTO comments VALUES(1,1,NULL,1700000000.5,NULL,4,'192.0.2.0','',NULL,'ann@example.test',NULL,0,0,zeroblob(256),0),
 (1,2,1,1700000060.0,1700000090.0,1,'192.0.2.0','a *reply*','Bob',NULL,'https://bob.example.test',2,1,zeroblob(256),1),
 (2,3,NULL,1700000100.0,NULL,2,'192.0.2.0','waits',NULL,NULL,NULL,0,0,zeroblob(256),0),
 (2,4,77,1700000200.0,NULL,1,'192.0.2.0','an orphan','Cat','cat@example.test',NULL,0,0,zeroblob(256),0);
"""

REMARK = lines(
    {"version": 1, "users": [{"id": "email_ab12", "blocked": {"status": False}, "verified": True,
                              "details": {"email": "ann@example.test"}}],
     "posts": [{"url": "https://example.test/a/", "read_only": True}]},
    {"id": "c1", "pid": "", "text": "<p>hi</p>\n", "orig": "hi", "user": {"name": "Ann", "id": "email_ab12", "picture": "",
     "ip": "f00d", "admin": False, "site_id": "ex"}, "locator": {"site": "ex", "url": "https://example.test/a/"},
     "score": 1, "votes": {"github_9": True}, "voted_ips": {"aa": {"Timestamp": "2024-01-01T00:00:00Z", "Value": True}},
     "vote": 0, "time": "2024-01-01T00:00:00.5+03:00", "pin": True, "title": "A"},
    {"id": "c2", "pid": "c1", "text": "", "orig": "", "user": {"name": "deleted", "id": "deleted"},
     "locator": {"site": "ex", "url": "https://example.test/a/"}, "score": 0, "votes": {}, "time": "2024-01-01T01:00:00Z",
     "delete": True},
    {"id": "c3", "pid": "c2", "text": "<p>below <b>it</b></p>", "user": {"name": "Guest", "id": "anonymous_1"},
     "locator": {"site": "ex", "url": "https://example.test/a/"}, "score": -2, "votes": {"github_9": False},
     "time": "2024-01-01T02:00:00Z"},
)  # fmt: skip

COMMENTO = {
    "version": 1,
    "comments": [
        {"commentHex": "c2", "domain": "example.test", "url": "/a/", "commenterHex": "u1", "markdown": "an **answer**",
         "html": "", "parentHex": "c1", "score": -3, "state": "approved", "creationDate": "2023-01-02T00:00:00Z",
         "direction": 0, "deleted": False},
        {"commentHex": "c1", "domain": "example.test", "url": "/a/", "commenterHex": "anonymous", "markdown": "hi",
         "html": "", "parentHex": "root", "score": 2, "state": "approved", "creationDate": "2023-01-01T00:00:00Z",
         "direction": 0, "deleted": False},
        {"commentHex": "c3", "domain": "example.test", "url": "/b", "commenterHex": "anonymous", "markdown": "bad?",
         "parentHex": "root", "score": 0, "state": "flagged", "creationDate": "2023-01-01T00:00:00Z"},
        {"commentHex": "c4", "domain": "example.test", "url": "/b", "commenterHex": "anonymous", "markdown": "[deleted]",
         "parentHex": "root", "score": 0, "state": "approved", "creationDate": "2023-01-01T00:00:00Z"},
    ],
    "commenters": [{"commenterHex": "u1", "email": "ann@example.test", "name": "Ann", "link": "undefined",
                    "photo": "undefined", "provider": "commento", "isModerator": True}] * 2,
}  # fmt: skip
_PAGE, _COMMENT = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-0000000000c1"
COMENTARIO = {
    "version": 3, "pages": [{"id": _PAGE, "path": "/a/", "title": "A"}],
    "comments": [
        {"id": _COMMENT, "pageId": _PAGE, "markdown": "hi", "html": "<p>hi</p>", "score": 2, "isPending": True,
         "createdTime": "2024-01-02T00:00:00Z", "pendingReason": "link",
         "userCreated": "00000000-0000-0000-0000-000000000000", "authorName": "Ann", "authorIP": "192.0.2.x"},
        {"id": _COMMENT[:-1] + "2", "parentId": _COMMENT, "pageId": _PAGE, "html": "<p>shown</p>", "isApproved": True,
         "isSticky": True, "createdTime": "2024-01-03T00:00:00Z", "userCreated": _PAGE},
        {"id": _COMMENT[:-1] + "3", "pageId": _PAGE, "markdown": "refused", "createdTime": "2024-01-03T00:00:00Z"},
    ],
    "commenters": [{"id": _PAGE, "email": "bob@example.test", "name": "Bob"}],
}  # fmt: skip
ARTRANS = [
    {"id": "1", "rid": "0", "content": "hi **all**", "ua": "", "ip": "192.0.2.7", "created_at": "2024-01-01 08:00:00 +0800",
     "updated_at": "2024-01-01 08:00:00 +0800 +0800", "is_pending": "true", "is_pinned": "0", "vote_up": "2",
     "vote_down": "0", "nick": "Ann", "email": "ann@example.test", "link": "", "page_key": "/a/", "page_title": "A",
     "page_admin_only": "false", "site_name": "Ex", "site_urls": "https://example.test/,http://localhost/"},
    {"id": "2", "rid": "1", "content": "yes", "created_at": "2024-01-01 09:00:00 +0800", "is_pending": "0",
     "vote_up": "0", "vote_down": "4", "nick": "Bob", "page_key": "/a/", "site_urls": "https://example.test/"},
]  # fmt: skip
WALINE = {
    "type": "waline", "version": 1, "time": 1700000000000, "tables": ["Comment", "Counter", "Users"],
    "data": {
        "Comment": [
            {"objectId": "w1", "comment": "hi", "insertedAt": "2024-01-01T00:00:00.000Z", "nick": "Ann",
             "mail": "ann@example.test", "link": "", "ip": "192.0.2.7", "status": "approved", "like": 1, "url": "/a/"},
            {"objectId": "w2", "comment": "[@Ann](#w1): yes", "insertedAt": "2024-01-01T00:01:00.000Z", "nick": "Bob",
             "pid": "w1", "rid": "w1", "status": "waiting", "url": "/a/"},
            {"objectId": "w3", "comment": "[@Bob](#w2): and so", "insertedAt": "2024-01-01T00:02:00.000Z", "nick": "Cat",
             "pid": "w2", "rid": "w1", "status": "approved", "url": "/a/"},
        ],
        "Counter": [{"url": "/a/", "time": 12, "reaction0": 3}],
        "Users": [{"password": "$2a$secret", "2fa": "secret"}],
    },
}  # fmt: skip
VALINE = """#filetype:JSON-streaming {"type":"Class","class":"Comment"}
{"objectId":"v1","nick":"Ann","mail":"ann@example.test","ip":"192.0.2.7","comment":"<p>hi</p>","url":"/a/","insertedAt":{"__type":"Date","iso":"2024-01-01T00:00:00.000Z"},"createdAt":"2024-01-01T00:00:00.000Z"}
{"objectId":"v2","nick":"Anonymous","comment":"<p><a class=\\"at\\" href=\\"#v1\\">@Ann</a> , yes</p>","url":"/a/","pid":"v1","rid":"v1","isSpam":true,"createdAt":"2024-01-01T00:00:01.000Z"}
{"objectId":"v3","nick":"Cat","comment":"below","url":"/a/","pid":"v2","rid":"v1","createdAt":"2024-01-01T00:00:02.000Z"}
not a line
"""
TWIKOO = [{"_id": {"$oid": "t1"}, "nick": "Ann", "comment": "<p>hi</p>", "href": "https://example.test/a",
           "url": "/a/", "created": {"$numberLong": "1700000000000"}, "isSpam": False}]  # fmt: skip
FAST_CSV = (
    "id,urlId,url,pageTitle,commenterName,commenterEmail,comment,parentId,date,votesUp,votesDown,approved,isSpam,isDeleted\n"
    'f1,a,https://example.test/a,A,Ann,ann@example.test,"hi, ""all""\nline two",,2024-01-01T00:00:00.000Z,3,1,true,false,false\n'
    "f2,a,https://example.test/a,A,Bob,,yes,f1,2024-01-01T00:01:00.000Z,0,0,false,false,false\n"
)
HYVOR = {
    "pages": [{"id": 5, "identifier": "/a", "url": "https://example.test/a", "title": "A", "is_closed": False}],
    "comments": [
        {"id": 1, "page_id": 5, "parent_id": None, "created_at": 1700000000, "status": "published",
         "user": {"id": 3, "name": "Ann", "type": "hyvor"},
         "body": {"type": "doc", "content": [{"type": "paragraph", "content": [
             {"type": "text", "text": "hi "}, {"type": "text", "text": "all", "marks": [{"type": "strong"}]}]}]}},
        {"id": 2, "page_id": 5, "parent_id": 1, "created_at": 1700000001, "status": "pending",
         "user": {"name": "Bob", "type": "guest"}, "body_html": "<p>yes</p>"},
    ],
}  # fmt: skip
CUSDIS = {"projects": [{"id": "p", "title": "Ex", "pages": [
    {"id": "g1", "slug": "post-1", "url": "https://example.test/a", "title": "A", "comments": [
        {"id": "k1", "pageId": "g1", "createdAt": "2024-01-01T00:00:00.000Z", "by_email": "ann@example.test",
         "by_nickname": "Ann", "content": "hi", "approved": True, "parentId": None},
        {"id": "k2", "pageId": "g1", "createdAt": "2024-01-01T00:01:00.000Z", "by_nickname": "Bob", "content": "waits",
         "approved": False, "parentId": "k1"},
        {"id": "k3", "pageId": "g1", "createdAt": "2024-01-01T00:02:00.000Z", "by_nickname": "Bob", "content": "gone",
         "approved": True, "parentId": "k1", "deletedAt": "2024-01-02T00:00:00.000Z"}]}]}]}  # fmt: skip
CUSDIS_SQL = """
CREATE TABLE pages (id TEXT PRIMARY KEY, slug TEXT, url TEXT, title TEXT, project_id TEXT);
CREATE TABLE comments (id TEXT PRIMARY KEY, page_id TEXT, created_at DATETIME, updated_at DATETIME, deleted_at DATETIME,
  moderator_id TEXT, by_email TEXT, by_nickname TEXT, content TEXT, approved BOOLEAN, parent_id TEXT);
INSERT INTO pages VALUES ('g1', 'post-1', 'https://example.test/a', 'A', 'p');
INSERT INTO comments VALUES ('k1', 'g1', 1704067200000, NULL, NULL, NULL, 'ann@example.test', 'Ann', 'hi', 1, NULL),
 ('k2', 'g1', 1704067260000, NULL, NULL, 'm', NULL, 'Owner', 'yes', 1, 'k1');
"""
CACKLE = {"comments": [
    {"id": 7, "siteId": 1, "parentId": 0, "chan": {"id": 3, "channel": "/a", "url": "http://example.test/a", "title": "A"},
     "message": "hi\nall", "media": "http://example.test/x.png", "rating": 2, "status": "approved",
     "created": 1700000000000, "ip": "192.0.2.7",
     "author": {"id": 5, "name": "Ann", "email": "ann@example.test", "provider": "sso", "openId": "x_9"}},
    {"id": 8, "parentId": 7, "chan": {"id": 3, "channel": "/a", "url": "http://example.test/a"}, "message": "no",
     "rating": -1, "status": "rejected", "created": 1700000001000, "anonym": {"name": "Bob", "email": "b@example.test"}},
]}  # fmt: skip


class FormatTests(ImportCase):
    """Pages, states, trees, votes and authors as they were."""

    def authors(self) -> list[tuple[str, str]]:
        """Name and mail of those who can claim what is theirs."""
        return self.sql("select name, email from import_author order by 1, 2")

    async def test_disqus(self) -> None:
        """Threads of one page are one; deleted and unknown parents are stones; spam is in its place."""
        report = await self.bring("disqus", DISQUS)
        tree = self.tree()
        self.assertEqual(self.texts(), {"/a": [
            "with mail", ["", "Reply https://example.test/very/long"], ["", "orphan"]]})  # fmt: skip
        self.assertEqual([one["status"] for one in tree["/a"]], [1, 4, 4])
        self.assertEqual(tree["/a"][2]["replies"][0]["status"], 2)
        self.assertEqual(report.left, {"no-page": 1})
        self.assertEqual(report.examples["no-page"], ["103"])
        self.assertEqual(report.changed, {"parent-missing": 1})
        self.assertEqual((report.pages, report.items, report.added, report.present), (1, 5, 5, 0))
        self.assertEqual(self.authors(), [("Bob", "bob@example.test")])
        self.assertEqual(self.sql("select host(ip) from comment where src = 'with mail'"), [("192.0.2.9",)])
        # One of the two threads is open.
        self.assertEqual(self.sql("select locked, title, url from channel"), [(False, "A", "https://example.test/a")])
        self.check_sound()
        # Nothing of a mail in what is given out, and none sent.
        self.assertEqual(self.sql("select count(*) from outbox"), [(0,)])
        self.assertEqual(self.events_told(), [("/a", "channel.updated")])

    async def test_wordpress(self) -> None:
        """Line ends, states and who is no commenter; nothing of drafts and of orders."""
        report = await self.bring("wxr", WXR, zone=3 * 3600)
        self.assertEqual(self.texts(), {"/a": [["Line one\nline **two**", ["", "below it"]], "waits"]})
        self.assertEqual(report.left, {"kind": 1, "private": 2})
        self.assertEqual((await self.run_now()).source, "wxr:example.test")
        self.assertEqual(
            self.sql("select to_char(created_at at time zone 'utc', 'HH24:MI'), status from comment order by id"),
            [("09:00", 1), ("10:00", 4), ("11:00", 1), ("12:00", 0)],
        )
        self.assertEqual(self.sql("select locked from channel"), [(True,)])
        self.assertEqual(self.counts(), {"/a": (2, 1, 1)})
        self.assertEqual(self.authors(), [("Ann", "ann@example.test")])
        self.assertNotIn("secret", str(self.sql("select src from comment")))
        self.check_sound()

    async def test_isso(self) -> None:
        """Counts of votes; no mail of what was deleted; a page with a name of its own."""
        path = self.file(b"", "comments.db")
        db = sqlite3.connect(path)
        db.executescript(ISSO)
        db.close()
        await self.bring("isso", path, host="https://example.test")
        self.assertEqual(self.texts(), {"/a": [["", "a *reply*"]], "a-name": ["waits", ["", "an orphan"]]})
        self.assertEqual(self.tree()["/a"][0]["replies"][0]["votes"], (2, 1))
        self.assertEqual(self.authors(), [("Cat", "cat@example.test")])
        self.assertEqual(self.sql("select count(*) from comment where edited_at is not null"), [(1,)])
        self.assertEqual(self.sql("select url from channel order by 1 desc"), [("https://example.test/a/",), ("",)])
        self.check_sound()

    async def test_isso_json(self) -> None:
        """The generic form: ids are unique in their thread."""
        one = {"id": 1, "author": "Ann", "email": "ann@example.test", "text": "hi", "created": "2024-01-01 00:00:00"}
        await self.bring("isso", json.dumps([
            {"id": "/a/", "title": "A", "comments": [one]}, {"id": "/b/", "title": "B", "comments": [one]}]))  # fmt: skip
        self.assertEqual(self.texts(), {"/a": ["hi"], "/b": ["hi"]})

    async def test_remark42(self) -> None:
        """The source rather than the HTML, votes by their voters, mails by the users' list."""
        await self.bring("remark42", gzipped(REMARK))
        self.assertEqual(self.texts(), {"/a": [["hi", ["", "below **it**"]]]})
        root = self.tree()["/a"][0]
        self.assertEqual((root["votes"], root["replies"][0]["replies"][0]["votes"]), ((1, 0), (0, 2)))
        self.assertEqual(self.sql("select value from vote order by 1"), [(-1,), (1,)])
        self.assertEqual(self.sql("select count(distinct visitor_id) from vote"), [(1,)])
        self.assertEqual(self.authors(), [("Ann", "ann@example.test")])
        self.assertEqual(self.sql("select locked from channel"), [(True,)])
        self.assertEqual(self.sql("select cardinality(pinned) from comment_channel"), [(1,)])
        self.check_sound()

    async def test_commento(self) -> None:
        """An answer before what it answers; votes as a sum; nobody is nobody in particular."""
        await self.bring("commento", gzipped(json.dumps(COMMENTO)))
        self.assertEqual(self.texts(), {"/a": [["hi", "an **answer**"]], "/b": ["bad?", ""]})
        self.assertEqual(self.tree()["/a"][0]["votes"], (2, 0))
        self.assertEqual(self.tree()["/a"][0]["replies"][0]["votes"], (0, 3))
        self.assertEqual(self.authors(), [("Ann", "ann@example.test")])
        self.assertEqual(self.sql("select status from comment where src = 'bad?'"), [(2,)])
        self.check_sound()

    async def test_comentario(self) -> None:
        """What is not said is false; version 1 is Commento's."""
        await self.bring("comentario", gzipped(json.dumps(COMENTARIO)))
        self.assertEqual(self.texts(), {"/a": [["hi", "shown"], "refused"]})
        self.assertEqual([one["status"] for one in self.tree()["/a"]], [0, 3])
        self.assertEqual(self.sql("select ip from comment where ip is not null"), [])
        self.assertEqual(self.authors(), [("Bob", "bob@example.test")])
        self.check_sound()
        await self.bring("comentario", json.dumps(COMMENTO))
        self.assertIn("/b", self.texts())
        with self.assertRaisesRegex(BadFile, "comentario"):
            await self.bring("commento", json.dumps(COMENTARIO))

    async def test_artalk(self) -> None:
        """Every value is a text, and the zone may stand twice."""
        await self.bring("artalk", json.dumps(ARTRANS))
        self.assertEqual(self.texts(), {"/a": [["hi **all**", "yes"]]})
        self.assertEqual(self.sql("select to_char(created_at at time zone 'utc', 'HH24:MI') from comment order by id"),
                         [("00:00",), ("01:00",)])  # fmt: skip
        self.assertEqual(self.sql("select status, edited_at from comment order by id"), [(0, None), (1, None)])
        self.assertEqual(self.sql("select url from channel"), [("https://example.test/a/",)])
        self.check_sound()

    async def test_waline(self) -> None:
        """Without whom it answers in the text, and without its users' secrets."""
        await self.bring("waline", json.dumps(WALINE))
        self.assertEqual(self.texts(), {"/a": [["hi", ["yes", "and so"]]]})
        self.assertEqual(self.counts(), {"/a": (2, 1, 1)})
        for table in ("comment", "import_author", "import_run", "visitor"):
            self.assertNotIn("secret", str(self.sql(f"select * from {table}")))
        self.check_sound()

    async def test_valine(self) -> None:
        """Lines, an array and ``results``."""
        report = await self.bring("valine", VALINE)
        self.assertEqual(self.texts(), {"/a": [["hi", ["yes", "below"]]]})
        self.assertEqual(report.left, {"broken": 1})
        self.assertEqual(self.sql("select status from comment where src = 'yes'"), [(2,)])
        await self.bring("valine", json.dumps(TWIKOO), label="twikoo")
        await self.bring("valine", json.dumps({"results": [{"objectId": "x", "comment": "r", "url": "/c"}]}))
        self.assertEqual(sorted(self.texts()), ["/a", "/c"])
        self.check_sound()

    async def test_fastcomments(self) -> None:
        """Its CSV with line ends in texts, and its JSON."""
        await self.bring("fastcomments", FAST_CSV)
        self.assertEqual(self.texts(), {"/a": [['hi, "all"\nline two', "yes"]]})
        self.assertEqual(self.tree()["/a"][0]["votes"], (3, 1))
        self.assertEqual(self.sql("select status from comment where src = 'yes'"), [(0,)])
        await self.bring("fastcomments", json.dumps({"comments": [
            {"_id": "f3", "urlId": "b", "comment": "x", "commenterName": "Z", "date": "2024-01-01T00:00:00Z", "votes": -2}]}))
        self.assertEqual(self.tree()["b"][0]["votes"], (0, 2))
        self.check_sound()

    async def test_hyvor(self) -> None:
        """Rich texts become Markdown."""
        await self.bring("hyvor", json.dumps(HYVOR))
        self.assertEqual(self.texts(), {"/a": [["hi **all**", "yes"]]})
        nested = {"pages": [{"id": 1, "url": "https://example.test/n", "comments": [
            {"id": 9, "body": "<p>in a page</p>", "created_at": "2024-01-01T00:00:00Z"}]}]}
        await self.bring("hyvor", json.dumps(nested), label="other")
        self.assertEqual(self.texts()["/n"], ["in a page"])
        self.check_sound()

    async def test_cusdis(self) -> None:
        """What waits waits, what was deleted is a stone; the database as well."""
        await self.bring("cusdis", json.dumps(CUSDIS))
        self.assertEqual(self.texts(), {"/a": [["hi", "waits", ""]]})
        self.assertEqual(self.counts(), {"/a": (1, 1, 1)})
        await self.undo()
        path = self.file(b"", "db.sqlite")
        db = sqlite3.connect(path)
        db.executescript(CUSDIS_SQL)
        db.close()
        await self.bring("cusdis", path, by="name")
        self.assertEqual(self.texts(), {"post-1": [["hi", "yes"]]})
        self.check_sound()

    async def test_cackle(self) -> None:
        """Answers of the API, with or without a call around them, one or several."""
        await self.bring("cackle", json.dumps(CACKLE))
        expected = {"/a": [["hi\nall\n\nhttp://example.test/x.png", "no"]]}
        self.assertEqual(self.texts(), expected)
        self.assertEqual([one["status"] for one in self.tree()["/a"][0]["replies"]], [3])
        await self.undo()
        self.assertEqual(self.texts(), {})
        first = {"comments": {"content": CACKLE["comments"][:1], "totalPages": 2}}
        second = {"comments": {"content": CACKLE["comments"][1:], "totalPages": 2}}
        await self.bring("cackle", f"jQuery123({json.dumps(first)});\njQuery123({json.dumps(second)});\n")
        self.assertEqual(self.texts(), expected)
        self.check_sound()
