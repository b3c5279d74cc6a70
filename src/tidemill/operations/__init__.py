"""The hands of the command line: up, doctor, status, data, accounts, the stand-alone venue."""
