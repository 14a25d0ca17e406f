"""The `[registry]` table of plimsoll.toml, as `Settings`."""

import math
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from registry import configuration_mail
from registry.core import destination, protection, spiffe, table
from registry.core.retention import Rule as RetentionRule
from registry.settings import (
    Encryption,
    Inspecting,
    Retention,
    Running,
    Sending,
    Settings,
    Watermark,
)
from registry.settings_access import Access, Issuer, SignIn


def load(path: Path) -> Settings:
    """Read `path`; relative paths are from its folder. Raises `InvalidConfig`."""
    try:
        found = table.parse(path.read_text(encoding="utf-8"), "registry", file=str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise table.unreadable(str(path), error) from error
    return _settings(found, path.resolve().parent)


def _settings(values: table.Table, folder: Path) -> Settings:
    publishers, storage = values.optional("publishers"), values.optional("storage")
    policies = values.optional("policies")
    trust = values.optional("trust")
    if storage is not None and "://" not in storage:
        storage = str(folder / storage)
    settings = Settings(
        data_dir=folder / values.take("data", str, "registry"),
        listen=tuple(values.texts("listen", ["127.0.0.1:8440"])),
        url=values.take("url", str, "").rstrip("/"),
        database_url=values.take("database", str, ""),
        storage=storage or "",
        direct_downloads=values.take("direct_downloads", bool, False),
        publishers=None if publishers is None else folder / publishers,
        trust=None if trust is None else folder / trust,
        custodian=values.take("custodian", bool, False),
        origin=values.take("log_origin", str, "plimsoll.local/log"),
        runtime_base=values.take("runtime_base", str, ""),
        protected=tuple(_protection(rule) for rule in values.tables("protected")),
        policies=None if policies is None else folder / policies,
        retention=_retention(values),
        sending=_sending(values, folder),
        running=_running(values),
        inspecting=Inspecting(
            engine=values.take("inspection_engine", str, ""),
            image=values.take("inspection_image", str, "plimsoll-registry:dev"),
        ),
        encryption=_encryption(values, folder),
        watermark=_watermark(values),
        access=_access(values, folder),
    )
    values.finish()
    if not settings.url and any(one.sign_in is not None for one in settings.access.issuers):
        raise values.error("url", "is needed where an identity has a client_id")
    _require_no_links(values, settings)
    return settings


def _access(values: table.Table, folder: Path) -> Access:
    certificate, key = values.optional("tls_certificate"), values.optional("tls_key")
    client_ca, grants = values.optional("client_ca"), values.optional("access_file")
    found = Access(
        certificate=None if certificate is None else folder / certificate,
        key=None if key is None else folder / key,
        client_ca=None if client_ca is None else folder / client_ca,
        trust_domain=spiffe.trust_domain(values.take("trust_domain", str, "plimsoll.local")),
        certificate_hours=values.take("certificate_hours", float, 24.0),
        enrolment_minutes=values.take("enrolment_minutes", float, 60.0),
        proxies=tuple(_network(values, one) for one in values.texts("trusted_proxies", [])),
        file=None if grants is None else folder / grants,
        issuers=tuple(_issuer(one, folder) for one in values.tables("identity")),
        failures_per_minute=values.take("failures_per_minute", int, 30),
        requests_per_minute=values.take("requests_per_minute", int, 60_000),
    )
    for name, value, most in (
        ("certificate_hours", found.certificate_hours, 24 * 366),
        ("enrolment_minutes", found.enrolment_minutes, 7 * 24 * 60),
        ("failures_per_minute", found.failures_per_minute, 10**9),
        ("requests_per_minute", found.requests_per_minute, 10**9),
    ):
        if not 0 < value <= most:
            raise values.error(name, f"must be above 0, up to {most}, found {value}")
    return found


def _network(values: table.Table, text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise values.error("trusted_proxies", f"names no addresses: {error}") from error


def _issuer(values: table.Table, folder: Path) -> Issuer:
    found = Issuer(
        url=values.take("issuer", str),
        audience=values.take("audience", str),
        max_minutes=values.take("max_minutes", float, 15.0),
        leeway=values.take("leeway_seconds", float, 30.0),
        keys_hours=values.take("keys_hours", float, 24.0),
        sign_in=_sign_in(values, folder),
    )
    values.finish()
    if not destination.is_confidential(found.url):
        raise values.error("issuer", f"must be an https address, found {found.url!r}")
    for name, value, most in (
        ("max_minutes", found.max_minutes, 60),
        ("leeway_seconds", found.leeway, 120),
        ("keys_hours", found.keys_hours, 7 * 24),
    ):
        if not 0 <= value <= most:
            raise values.error(name, f"must be at least 0, at most {most}, found {value}")
    return found


def _sign_in(values: table.Table, folder: Path) -> SignIn | None:
    client, secret = values.optional("client_id"), values.optional("client_secret_file")
    found = SignIn(
        client=client or "",
        secret=None if secret is None else folder / secret,
        scopes=tuple(values.texts("scopes", ["openid", "profile", "email"])),
        label=values.take("label", str, ""),
        hours=values.take("session_hours", float, 8.0),
    )
    if not 0 < found.hours <= 7 * 24:
        raise values.error("session_hours", f"must be above 0, up to 168, found {found.hours}")
    if "openid" not in found.scopes:
        raise values.error("scopes", "must have openid among them")
    return None if client is None else found


def _protection(values: table.Table) -> protection.Rule:
    rule = protection.Rule(
        model=values.take("model", str, "*"),
        alias=values.take("alias", str),
        movers=tuple(values.texts("movers", [])),
    )
    values.finish()
    return rule


def _retention(values: table.Table) -> Retention:
    found = Retention(
        rules=tuple(_retention_rule(rule) for rule in values.tables("retention")),
        rollback_window_days=values.take("rollback_window_days", float, 30.0),
        grace_hours=values.take("gc_grace_hours", float, 24.0),
        every_hours=values.take("gc_every_hours", float, 0.0),
    )
    _require_not_negative(
        values,
        rollback_window_days=found.rollback_window_days,
        gc_grace_hours=found.grace_hours,
        gc_every_hours=found.every_hours,
    )
    return found


def _sending(values: table.Table, folder: Path) -> Sending:
    found = Sending(
        hosts=tuple(values.texts("webhook_hosts", [])),
        attempts=values.take("webhook_attempts", int, 8),
        seconds=values.take("webhook_seconds", float, 10.0),
        mail=configuration_mail.mail(values, folder),
    )
    if found.attempts < 1:
        raise values.error("webhook_attempts", f"must be at least 1, found {found.attempts}")
    if not 0 < found.seconds <= 60:
        raise values.error("webhook_seconds", f"must be above 0, up to 60, found {found.seconds}")
    return found


def _running(values: table.Table) -> Running:
    found = Running(
        traces=values.take("traces", str, ""),
        free_mib=values.take("free_mib", int, 64),
        drain_seconds=values.take("drain_seconds", float, 0.0),
        grace_seconds=values.take("grace_seconds", float, 10.0),
        optimisations=values.take("optimisations", int, 0),
    )
    _require_not_negative(
        values,
        free_mib=found.free_mib,
        drain_seconds=found.drain_seconds,
        grace_seconds=found.grace_seconds,
        optimisations=found.optimisations,
    )
    return found


def _encryption(values: table.Table, folder: Path) -> Encryption:
    key_file, pin = values.optional("key_file"), values.optional("pkcs11_pin_file")
    token = values.optional("vault_token_file")
    found = Encryption(
        provider=values.take("encryption", str, "off"),
        key_file=None if key_file is None else folder / key_file,
        pkcs11_module=values.take("pkcs11_module", str, ""),
        pkcs11_token=values.take("pkcs11_token", str, ""),
        pkcs11_key=values.take("pkcs11_key", str, "plimsoll"),
        pkcs11_pin_file=None if pin is None else folder / pin,
        vault_url=values.take("vault_url", str, "").rstrip("/"),
        vault_mount=values.take("vault_mount", str, "transit").strip("/"),
        vault_key=values.take("vault_key", str, "plimsoll"),
        vault_token_file=None if token is None else folder / token,
        require_delivery=values.take("require_encrypted_delivery", bool, False),
    )
    needed = {
        "off": {},
        "file": {},
        "pkcs11": {
            "pkcs11_module": found.pkcs11_module,
            "pkcs11_token": found.pkcs11_token,
            "pkcs11_pin_file": found.pkcs11_pin_file,
        },
        "vault": {"vault_url": found.vault_url, "vault_token_file": found.vault_token_file},
    }
    if found.provider not in needed:
        wanted = ", ".join(needed)
        raise values.error("encryption", f"must be one of {wanted}, found {found.provider!r}")
    for name, value in needed[found.provider].items():
        if not value:
            raise values.error(name, f'must be there with encryption = "{found.provider}"')
    return found


def _watermark(values: table.Table) -> Watermark:
    found = Watermark(
        publish=values.take("watermark_publish", str, "off"),
        copies=values.take("watermark_copies", str, "off"),
    )
    if found.publish not in {"off", "on"}:
        raise values.error("watermark_publish", f"must be off or on, found {found.publish!r}")
    if found.copies not in {"off", "hosts", "required"}:
        raise values.error(
            "watermark_copies", f"must be off, hosts or required, found {found.copies!r}"
        )
    return found


def _require_no_links(values: table.Table, settings: Settings) -> None:
    if settings.direct_downloads and settings.encryption.provider != "off":
        raise values.error(
            "direct_downloads",
            "must be false with encryption: the object store would hand out ciphertext that "
            "no client has a key for",
        )
    if settings.direct_downloads and settings.encryption.require_delivery:
        raise values.error(
            "direct_downloads",
            "must be false with require_encrypted_delivery: the object store encrypts to nobody",
        )


def _retention_rule(values: table.Table) -> RetentionRule:
    rule = RetentionRule(
        model=values.take("model", str),
        # Zero stands for a setting that is left out: a rule keeps at least one version.
        keep_last=values.take("keep_last", int, 0) or None,
        keep_days=values.take("keep_days", float, 0.0) or None,
    )
    values.finish()
    if rule.keep_last is None and rule.keep_days is None:
        raise values.error("keep_last", "or keep_days must be there: what shall the rule keep?")
    if (rule.keep_last or 1) < 1 or not 0 < (rule.keep_days or 1) < math.inf:
        raise values.error("keep_last", "and keep_days must be above zero")
    return rule


def _require_not_negative(values: table.Table, **settings: float) -> None:
    for name, value in settings.items():
        if not 0 <= value < math.inf:
            raise values.error(name, f"must not be negative, found {value}")
