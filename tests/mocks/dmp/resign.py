"""Signs a changed VIHF again, with xmlsec: neither the connector's code nor the mock's verifier takes part."""
from __future__ import annotations

from collections.abc import Callable

import xmlsec
from cryptography.hazmat.primitives import serialization
from lxml import etree

from connectors.dmp import messages
from connectors.dmp.client import DmpCall
from connectors.nomenclatures import xds
from connectors.nomenclatures.xds import NS_DS
from connectors.wire import saml, soap
from connectors.wire.saml import Signer, Vihf
from tests.connectors.dmp.samples import LPS, NOW, Dui

Change = Callable[[etree._Element], None]


def existence(dui: Dui, assertion: etree._Element) -> DmpCall:
    """A TD0.2 bearing this assertion."""
    body = messages.existence_request(dui.person["matricule"], dui.oid, LPS, at=NOW)
    headers = [(b"content-type", soap.content_type(xds.ACTION_EXISTENCE).encode())]
    return DmpCall("patients", headers, messages.frame(body, assertion, action=xds.ACTION_EXISTENCE))


def resigned(dui: Dui, change: Change, *, vihf: Vihf | None = None, signer: Signer | None = None, sha1: bool = False) -> DmpCall:
    """A TD0.2 whose assertion was changed, then signed."""
    signer = signer or dui.signer
    assertion = saml.assertion(vihf or dui.vihf, dui.signer, at=NOW, logged_in_at=NOW)
    assertion.remove(assertion.find(f"{{{NS_DS}}}Signature"))  # type: ignore[arg-type]
    change(assertion)
    sign(assertion, signer, sha1=sha1)
    return existence(dui, assertion)


def sign(assertion: etree._Element, signer: Signer, *, sha1: bool = False) -> None:
    transform = xmlsec.constants
    method = transform.TransformRsaSha1 if sha1 else transform.TransformRsaSha256
    digest = transform.TransformSha1 if sha1 else transform.TransformSha256
    signature = xmlsec.template.create(assertion, transform.TransformExclC14N, method, ns="ds")
    assertion.insert(1, signature)
    reference = xmlsec.template.add_reference(signature, digest, uri="#" + assertion.get("ID", ""))
    xmlsec.template.add_transform(reference, transform.TransformEnveloped)
    xmlsec.template.add_transform(reference, transform.TransformExclC14N)
    xmlsec.template.add_x509_data(xmlsec.template.ensure_key_info(signature))
    pkcs8 = serialization.PrivateFormat.PKCS8
    pem = signer.key.private_bytes(serialization.Encoding.PEM, pkcs8, serialization.NoEncryption())
    certificate = signer.certificate.public_bytes(serialization.Encoding.PEM)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatPem)
    context.key.load_cert_from_memory(certificate, xmlsec.constants.KeyDataFormatCertPem)
    xmlsec.tree.add_ids(assertion, ["ID"])
    context.sign(signature)
