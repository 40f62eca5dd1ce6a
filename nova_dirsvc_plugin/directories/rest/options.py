# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""The options of the REST driver; those of TLS have keystoneauth's names."""

from oslo_config import cfg

OPTS = (
    cfg.StrOpt(
        "url",
        default="http://127.0.0.1:8042/v1/instances",
        help="""
URL of the service's collection of instances. ``http://`` is permitted for
this host only, unless ``insecure`` is true.
""",
    ),
    cfg.StrOpt(
        "register_method",
        default="POST",
        choices=["POST", "PUT"],
        help="HTTP method that registers or refreshes an instance.",
    ),
    cfg.StrOpt(
        "register_url",
        default="",
        help="""
URL that registers: a template with the fields ``{url}``, ``{instance_uuid}``
and ``{owner}``. Empty: ``{url}`` with POST, ``{url}/{instance_uuid}`` with
PUT.
""",
    ),
    cfg.StrOpt(
        "unregister_method",
        default="DELETE",
        choices=["DELETE", "POST"],
        help="""
HTTP method that unregisters an instance. The body of a POST is
``{"instance_uuid": "…"}``.
""",
    ),
    cfg.StrOpt(
        "unregister_url",
        default="",
        help="""
URL that unregisters: a template with the same fields as ``register_url``.
Empty: ``{url}/{instance_uuid}`` with DELETE. POST needs this option.
""",
    ),
    cfg.StrOpt(
        "entries_url",
        default="{url}",
        help="""
URL of the paged list of all entries: a template with the fields ``{url}`` and
``{owner}``. Empty: the service has no such list, and cannot be compared with
Nova.
""",
    ),
    cfg.IntOpt(
        "page_size",
        default=500,
        min=1,
        max=10_000,
        help="""
Entries to request for a page of the list. More instances than that are looked
up in the list, and not one by one.
""",
    ),
    cfg.MultiStrOpt(
        "header",
        default=[],
        help="""
Header of each request, ``Name: value``; may be set several times. Secrets
belong in ``headers_file``.
""",
    ),
    cfg.StrOpt(
        "headers_file",
        default="",
        help="""
File with secret headers of each request, such as an API key, one per line;
readable by the daemon only. The files of this group are read again for each
batch, so that a new secret needs no restart.
""",
    ),
    cfg.DictOpt(
        "rename",
        default={},
        help="""
Fields of the document that have another name in the service:
``mac_address:mac,host_record.flavor_name:flavor``. A dot separates the keys of
nested objects.
""",
    ),
    cfg.ListOpt(
        "leave_out",
        default=[],
        help="""
Fields of the document that are not sent to the service:
``host_record,user_name``.
""",
    ),
    cfg.StrOpt(
        "auth",
        default="none",
        choices=["none", "basic", "bearer", "oauth2"],
        help="""
Authentication method. ``basic`` needs ``user`` and ``password_file``;
``bearer`` needs ``token_file``; ``oauth2`` (client credentials) needs
``oauth2_token_url``, ``oauth2_client_id`` and ``oauth2_client_secret_file``.
A credential that the service has refused is not sent again for 15 minutes, or
until its file is written, so that the account is not locked.
""",
    ),
    cfg.StrOpt("user", default="", help="User of ``auth = basic``."),
    cfg.StrOpt(
        "password_file",
        default="",
        help="File with the password of ``user``.",
    ),
    cfg.StrOpt(
        "token_file",
        default="",
        help="File with the token of ``auth = bearer``.",
    ),
    cfg.StrOpt(
        "oauth2_token_url",
        default="",
        help="OAuth 2.0 token URL.",
    ),
    cfg.StrOpt("oauth2_client_id", default="", help="OAuth 2.0 client id."),
    cfg.StrOpt(
        "oauth2_client_secret_file",
        default="",
        help="File with the secret of the OAuth 2.0 client.",
    ),
    cfg.StrOpt(
        "oauth2_scope",
        default="",
        help="OAuth 2.0 scopes to request, separated by blanks.",
    ),
    cfg.StrOpt(
        "hmac_key_file",
        default="",
        help="""
File with the key that signs each request (HMAC-SHA256), in addition to
``auth``.
""",
    ),
    cfg.StrOpt(
        "hmac_signs",
        default="request",
        choices=["request", "body"],
        help="""
Parts of a request that are signed. ``request``: time, method, path and body;
the signature is in the header ``Dirsvc-Signature``. ``body``: the body only;
the signature is in ``X-Hub-Signature-256``, the header of webhooks. ``body``
needs ``unregister_method = POST``, since a DELETE has no body.
""",
    ),
    cfg.StrOpt(
        "cafile",
        default="",
        help="File with trusted CA certificates. Empty: those of requests.",
    ),
    cfg.StrOpt("certfile", default="", help="File with a client certificate."),
    cfg.StrOpt(
        "keyfile",
        default="",
        help="Private key of ``certfile``, if in another file.",
    ),
    cfg.BoolOpt(
        "insecure",
        default=False,
        help="""
Accept any certificate of the service, and ``http://`` to other hosts. Host
names and credentials can then be read and changed on the network.
""",
    ),
    cfg.IntOpt(
        "connections",
        default=8,
        min=1,
        max=64,
        help="Connections to the service, each with one request at a time.",
    ),
    cfg.FloatOpt(
        "connection_timeout",
        default=5.0,
        min=0.1,
        max=10.0,
        help="Time limit of a connection attempt, in seconds.",
    ),
    cfg.FloatOpt(
        "operation_timeout",
        default=10.0,
        min=0.1,
        max=15.0,
        help="Time limit of a whole answer, in seconds.",
    ),
    cfg.FloatOpt(
        "retry_after_max",
        default=300.0,
        min=0.0,
        max=1800.0,
        help="""
Longest time without requests that the service may ask for by ``Retry-After``,
in seconds.
""",
    ),
)
