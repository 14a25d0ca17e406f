"""An auditor's half of the log: the bundle's form, its check, and what the entries amount to."""
