"""All tables there are: who needs the whole schema imports it from here, so that none is missed."""

from sqlalchemy import MetaData

from registry.db import (
    tables,
    tables_access,
    tables_agents,
    tables_artifacts,
    tables_documents,
    tables_events,
    tables_evidence,
    tables_host_copies,
    tables_host_reports,
    tables_images,
    tables_keys,
    tables_log,
    tables_oci,
    tables_optimisations,
    tables_requests,
    tables_retention,
    tables_steering,
    tables_watermark,
)

MODULES = (
    tables,
    tables_access,
    tables_agents,
    tables_artifacts,
    tables_documents,
    tables_events,
    tables_evidence,
    tables_host_copies,
    tables_host_reports,
    tables_images,
    tables_keys,
    tables_log,
    tables_oci,
    tables_optimisations,
    tables_requests,
    tables_retention,
    tables_steering,
    tables_watermark,
)
METADATA: MetaData = tables.Table.metadata
