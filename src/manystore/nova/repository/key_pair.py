"""What users prove themselves by: key pairs, certificates and tokens."""

from __future__ import annotations

from manystore import NotFound, col

from ..exception import AuthTokenNotFound, CertificateNotFound, KeypairNotFound
from ..model.project import AuthToken, Certificate, KeyPair
from .guard import NovaRepository


class KeyPairRepository(NovaRepository[KeyPair]):
    """Key pairs."""

    entity = "key_pair"
    owner = "user_id"

    def get_by_name(self, user_id: str, name: str) -> KeyPair:
        """Give a user's key pair of a name; raise KeypairNotFound."""
        found = self.first(col(KeyPair.user_id) == user_id, col(KeyPair.name) == name)
        if found is None:
            raise KeypairNotFound(user_id=user_id, name=name)
        return found

    def get_all_by_user(self, user_id: str) -> list[KeyPair]:
        """Give a user's key pairs."""
        return self.find(col(KeyPair.user_id) == user_id)

    def destroy_by_name(self, user_id: str, name: str) -> None:
        """Delete a user's key pair of a name; raise KeypairNotFound."""
        found = self.get_by_name(user_id, name)
        try:
            self.delete(found.id)
        except NotFound:  # somebody else was faster
            raise KeypairNotFound(user_id=user_id, name=name) from None

    def destroy_all_by_user(self, user_id: str) -> None:
        """Delete all of a user's key pairs."""
        self.system.key_pair.delete_where(col(KeyPair.user_id) == user_id)


class CertificateRepository(NovaRepository[Certificate]):
    """Certificates."""

    entity = "certificate"
    missing = (CertificateNotFound, "certificate_id")
    owner = "project_id"

    def get_all_by_project(self, project_id: str) -> list[Certificate]:
        """Give the certificates of a project."""
        return self.find(col(Certificate.project_id) == project_id)

    def get_all_by_user(self, user_id: str) -> list[Certificate]:
        """Give the certificates of a user."""
        return self.find(col(Certificate.user_id) == user_id)

    def get_all_by_user_and_project(self, user_id: str, project_id: str) -> list[Certificate]:
        """Give the certificates of a user in a project."""
        return self.find(col(Certificate.user_id) == user_id, col(Certificate.project_id) == project_id)


class AuthTokenRepository(NovaRepository[AuthToken, str]):
    """Tokens."""

    entity = "auth_token"
    missing = (AuthTokenNotFound, "token")
