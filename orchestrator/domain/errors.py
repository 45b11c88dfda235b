"""Domain floor: every exception this package raises on purpose, and whose fault each one is.

What a *tenant's code* does wrong is never an exception: it is an `Outcome` inside a `JobResult`.

    OrchestratorError
    ├── RequestError            the caller asked for something that cannot be; asking again will not help
    │   ├── InvalidJob          a field of the job is missing, malformed or absurd
    │   ├── InvalidTenant       a setting of a tenant is malformed or absurd
    │   └── UnknownRuntime      no runtime of that name is configured here
    ├── ConfigurationError      the operator's settings or files are wrong
    │   └── RuntimeDefinitionError  a `runtime.toml` is wrong
    ├── CapacityError           nothing is wrong; retry later
    │   ├── PoolTimeout         no container came free before the caller's deadline
    │   └── PoolClosed          the pool is closing or closed
    ├── BackendError            the engine or the kernel failed us
    │   ├── EngineUnavailable   the engine cannot be reached at all
    │   ├── EngineRefused       the engine answered with a refusal
    │   ├── ImageMissing        a runtime's image is not on this engine
    │   ├── ImageBuildFailed    an image could not be built
    │   ├── ContainerGone       a container vanished under us
    │   ├── HardeningFailed     a control could not be applied or was not found in force
    │   └── ProtocolError       a runner sent bytes that are no frames
    ├── StoreError              the store of jobs, tenants and keys failed us
    │   └── StoreUnavailable    it cannot be opened, read or written now
    └── InternalError           a bug of ours
        └── IllegalTransition   a state change that the tables do not allow
"""

ENGINE_ID_LENGTH = 64


class OrchestratorError(Exception):
    """Base of all errors raised on purpose by this package."""


class RequestError(OrchestratorError):
    """Base: the caller's request cannot be carried out, now or later."""


class InvalidJob(RequestError):
    """Raised when a field of a job is missing, malformed or absurd.

    `field` names it the way the caller wrote it, `limits.wall_time_ms` for example.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class InvalidTenant(RequestError):
    """Raised when a setting of a tenant is malformed or absurd; `field` names it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class UnknownRuntime(RequestError):
    """Raised when a job names a runtime that is not configured here."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"unknown runtime {name[:64]!r}; this host has: {', '.join(known) or 'none'}")
        self.name = name
        self.known = known


class ConfigurationError(OrchestratorError):
    """Raised when settings or files of the operator are wrong; the message names the place."""


class RuntimeDefinitionError(ConfigurationError):
    """Raised when a `runtime.toml` is missing, malformed or asks for the impossible."""


class CapacityError(OrchestratorError):
    """Base: nothing is wrong with the request; there is no room for it now."""


class PoolTimeout(CapacityError):
    """Raised when no container came free before the caller's deadline."""


class PoolClosed(CapacityError):
    """Raised when a container is asked of a pool that is closing or closed."""


class BackendError(OrchestratorError):
    """Base: the container engine or the kernel failed us.

    `step` says what was being done ("create", "start", "exec", ...), `container` to which container.
    """

    def __init__(self, message: str, *, step: str = "", container: str = "") -> None:
        name = container[:12] if len(container) == ENGINE_ID_LENGTH else container[:80]
        where = " ".join(part for part in (step, name) if part)
        super().__init__(f"{where}: {message}" if where else message)
        self.step = step
        self.container = container


class EngineUnavailable(BackendError):
    """Raised when the engine cannot be reached, or does not answer in time."""


class EngineRefused(BackendError):
    """Raised when the engine answered, with a refusal that trying again will not change."""


class ImageMissing(BackendError):
    """Raised when the image of a runtime is not on this engine."""


class ImageBuildFailed(BackendError):
    """Raised when an image could not be built; the message carries the last lines of the build."""


class ContainerGone(BackendError):
    """Raised when a container vanished under us: removed by someone else, or lost with its engine."""


class HardeningFailed(BackendError):
    """Raised when a control that jobs rely on could not be applied or was not found in force."""


class ProtocolError(BackendError):
    """Raised when a runner sent bytes that are not frames of its protocol."""


class StoreError(OrchestratorError):
    """Base: the store of jobs, tenants and keys failed us."""


class StoreUnavailable(StoreError):
    """Raised when the store cannot be opened, read or written now; what was asked may not have happened."""


class InternalError(OrchestratorError):
    """Base: a bug of ours."""


class IllegalTransition(InternalError):
    """Raised on a state change that the tables in `domain.transitions` do not allow; nothing changed."""
