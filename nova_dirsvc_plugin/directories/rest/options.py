# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The options of the REST driver; those of TLS as in keystoneauth."""

from oslo_config import cfg

OPTS = (
    cfg.StrOpt(
        "url",
        default="http://127.0.0.1:8042/v1/instances",
        help="""
Where the service keeps instances. ``http://`` is for this host alone, unless
``insecure`` is true.
""",
    ),
    cfg.StrOpt(
        "register_method",
        default="POST",
        choices=["POST", "PUT"],
        help="How an instance is registered, or brought up to date.",
    ),
    cfg.StrOpt(
        "register_url",
        default="",
        help="""
Where to: a template of ``{url}``, ``{instance_uuid}`` and ``{owner}``. Empty:
``{url}`` with POST, ``{url}/{instance_uuid}`` with PUT.
""",
    ),
    cfg.StrOpt(
        "unregister_method",
        default="DELETE",
        choices=["DELETE", "POST"],
        help="""
How an instance is unregistered. A POST carries ``{"instance_uuid": "…"}``.
""",
    ),
    cfg.StrOpt(
        "unregister_url",
        default="",
        help="""
Where to, a template as above. Empty: ``{url}/{instance_uuid}`` with DELETE;
with POST it must be given.
""",
    ),
    cfg.StrOpt(
        "entries_url",
        default="{url}",
        help="""
Where all entries can be read, page by page, a template as above without
``{instance_uuid}``. Empty: they cannot be read. check-directory alone reads
them so far.
""",
    ),
    cfg.IntOpt(
        "page_size",
        default=500,
        min=1,
        max=10_000,
        help="Entries to ask for at a time.",
    ),
    cfg.MultiStrOpt(
        "header",
        default=[],
        help="""
A header for each request, ``Name: value``; may be given several times. For
secrets there is ``headers_file``.
""",
    ),
    cfg.StrOpt(
        "headers_file",
        default="",
        help="""
A file with more of them, one a line, for the daemon's eyes only: an API key,
say. Files of this group are read again for each batch, so that a new secret
needs no restart.
""",
    ),
    cfg.DictOpt(
        "rename",
        default={},
        help="""
Fields of the document that the service calls something else:
``mac_address:mac,host_record.flavor_name:flavor``. A dot goes into an
object.
""",
    ),
    cfg.ListOpt(
        "leave_out",
        default=[],
        help="Fields that the service is not told: ``host_record,user_name``.",
    ),
    cfg.StrOpt(
        "auth",
        default="none",
        choices=["none", "basic", "bearer", "oauth2"],
        help="""
How to say who we are. ``basic`` takes ``user`` and ``password_file``,
``bearer`` a ``token_file``, ``oauth2`` (client credentials) the three options
that begin so.
""",
    ),
    cfg.StrOpt("user", default="", help="The user of ``auth = basic``."),
    cfg.StrOpt(
        "password_file",
        default="",
        help="A file with that user's password.",
    ),
    cfg.StrOpt(
        "token_file",
        default="",
        help="A file with the token of ``auth = bearer``.",
    ),
    cfg.StrOpt(
        "oauth2_token_url",
        default="",
        help="Where ``auth = oauth2`` gets its tokens.",
    ),
    cfg.StrOpt("oauth2_client_id", default="", help="As whom it does."),
    cfg.StrOpt(
        "oauth2_client_secret_file",
        default="",
        help="A file with the secret of that client.",
    ),
    cfg.StrOpt(
        "oauth2_scope",
        default="",
        help="What to ask the token for; several with blanks between.",
    ),
    cfg.StrOpt(
        "hmac_key_file",
        default="",
        help="""
A file with a key: each request is signed with it (HMAC-SHA256), beside
whatever ``auth`` says.
""",
    ),
    cfg.StrOpt(
        "hmac_signs",
        default="request",
        choices=["request", "body"],
        help="""
What is signed. ``request``: time, method, path and body, in the header
``Dirsvc-Signature``. ``body``: that alone, in ``X-Hub-Signature-256``, as
receivers of webhooks know it; it needs ``unregister_method = POST``, since a
DELETE has no body.
""",
    ),
    cfg.StrOpt(
        "cafile",
        default="",
        help="The CA to trust. Empty: those that requests trusts.",
    ),
    cfg.StrOpt("certfile", default="", help="A client certificate."),
    cfg.StrOpt(
        "keyfile",
        default="",
        help="Its key, where it is not in the same file.",
    ),
    cfg.BoolOpt(
        "insecure",
        default=False,
        help="""
Do without a checked certificate, and take ``http://`` to other hosts. Names
and secrets then cross the network for anybody to read and change.
""",
    ),
    cfg.IntOpt(
        "connections",
        default=8,
        min=1,
        max=64,
        help="Requests under way at a time.",
    ),
    cfg.FloatOpt(
        "connection_timeout",
        default=5.0,
        min=0.1,
        max=10.0,
        help="Seconds to wait for a connection.",
    ),
    cfg.FloatOpt(
        "operation_timeout",
        default=10.0,
        min=0.1,
        max=15.0,
        help="Seconds to wait for a whole answer.",
    ),
    cfg.FloatOpt(
        "retry_after_max",
        default=300.0,
        min=0.0,
        max=1800.0,
        help="""
Seconds that the service is left alone at most when it asks for that
(``Retry-After``).
""",
    ),
)
