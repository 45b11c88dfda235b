"""sandbox-orch: run untrusted code, one never-used, hardened, already-warm container per job."""

__version__ = "0.1.0"

__all__ = ("__version__",)
