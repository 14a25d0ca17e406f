"""The pages behind the same access as all else: their own package does not know of callers."""

from registry.api.access import guarded
from registry.pages import router as pages

router = guarded()
router.include_router(pages.router)
