"""What users prove themselves by: key pairs, certificates and tokens."""

from __future__ import annotations

from ..exception import AuthTokenNotFound, CertificateNotFound
from ..model.project import AuthToken, Certificate, KeyPair
from .guard import NovaRepository


class KeyPairRepository(NovaRepository[KeyPair]):
    """Key pairs."""

    entity = "key_pair"
    owner = "user_id"


class CertificateRepository(NovaRepository[Certificate]):
    """Certificates."""

    entity = "certificate"
    missing = (CertificateNotFound, "certificate_id")
    owner = "project_id"


class AuthTokenRepository(NovaRepository[AuthToken, str]):
    """Tokens."""

    entity = "auth_token"
    missing = (AuthTokenNotFound, "token")
