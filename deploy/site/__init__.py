"""The documentation as a site: its theme, and what the build adds to the pages."""
