"""Of which dialect an address is. Every request asks; what speaks a dialect is loaded with it."""

_MLFLOW = ("/api/2.0/mlflow/", "/api/2.0/mlflow-artifacts/", "/api/3.0/mlflow/")


def is_mlflow(path: str) -> bool:
    """Whether it speaks MLflow's."""
    return path.startswith(_MLFLOW)


def is_oci(path: str) -> bool:
    """Whether it speaks that of OCI registries."""
    return path == "/v2" or path.startswith("/v2/")


def is_oci_upload(path: str) -> bool:
    """Whether what is sent there is a blob, not a document."""
    return is_oci(path) and "/blobs/uploads" in path


def is_oci_manifest(path: str) -> bool:
    """Whether what is sent there is a manifest."""
    return is_oci(path) and "/manifests/" in path
