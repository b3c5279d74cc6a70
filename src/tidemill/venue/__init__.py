"""The paper venue: an exchange's wire protocol around matching."""
