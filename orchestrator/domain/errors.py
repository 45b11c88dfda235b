"""Domain floor: every exception this package raises on purpose, and whose fault each one is.

What a *tenant's code* does wrong is never an exception: it is an `Outcome` inside a `JobResult`.

    OrchestratorError
    ├── RequestError            the caller asked for something that cannot be; asking again will not help
    │   ├── InvalidJob          a field of the job is missing, malformed or absurd
    │   ├── InvalidTenant       a setting of a tenant is malformed or absurd
    │   ├── UnknownJob          no job of that id is this tenant's
    │   ├── NotAuthenticated    no key, or none that is valid
    │   ├── NotAllowed          the key does not allow that
    │   ├── KeyReused           an idempotency key came again with another request
    │   ├── JobInProgress       the job of this idempotency key has not finished yet
    │   └── UnknownRuntime      no runtime of that name is configured here
    ├── ConfigurationError      the operator's settings or files are wrong
    │   └── RuntimeDefinitionError  a `runtime.toml` is wrong
    ├── CapacityError           nothing is wrong; retry later
    │   ├── PoolTimeout         no container came free before the caller's deadline
    │   ├── PoolClosed          the pool is closing or closed
    │   └── RefusedForNow       base: not taken into the queue; says when to come back
    │       ├── TenantLimited   the tenant's own rate or share of the queue is used up
    │       ├── HostFull        the queue has no place left
    │       └── Draining        the service is stopping
    ├── BackendError            the engine or the kernel failed us
    │   ├── EngineUnavailable   the engine cannot be reached at all
    │   ├── EngineRefused       the engine answered with a refusal
    │   ├── ImageMissing        a runtime's image is not on this engine
    │   ├── ImageBuildFailed    an image could not be built
    │   ├── ContainerGone       a container vanished under us
    │   ├── HardeningFailed     a control could not be applied or was not found in force
    │   └── ProtocolError       a runner sent bytes that are no frames
    ├── StoreError              the store of jobs, tenants and keys failed us
    │   ├── StoreConflict       what should be new is there already
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


class UnknownJob(RequestError):
    """Raised when no job of that id exists, or it is another tenant's: nobody can tell which."""

    def __init__(self) -> None:
        super().__init__("no such job")


class NotAuthenticated(RequestError):
    """Raised when a request carries no key, or one that is unknown, revoked or expired."""


class NotAllowed(RequestError):
    """Raised when a key is valid and does not allow what was asked."""


class KeyReused(RequestError):
    """Raised when an idempotency key that belongs to one request comes with another one."""


class JobInProgress(RequestError):
    """Raised when the job of an idempotency key is still queued or running; `job_id` says which it is."""

    def __init__(self, job_id: str) -> None:
        super().__init__("the job of this idempotency key has not finished yet")
        self.job_id = job_id


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


class RefusedForNow(CapacityError):
    """Base: the job was not taken into the queue. `retry_after_seconds` is when to come back, a whole number.

    `reason` is a name of ours for the metrics, never the tenant's words.
    """

    def __init__(self, message: str, *, reason: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


class TenantLimited(RefusedForNow):
    """Raised when a tenant has used up its own rate, or its share of the queue."""


class HostFull(RefusedForNow):
    """Raised when the queue has no place left, whoever asks."""


class Draining(RefusedForNow):
    """Raised when the service is stopping and takes no new jobs."""


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


class StoreConflict(StoreError):
    """Raised when what should be new is there already, or names something that is not; nothing was written."""


class StoreUnavailable(StoreError):
    """Raised when the store cannot be opened, read or written now; what was asked may not have happened."""


class InternalError(OrchestratorError):
    """Base: a bug of ours."""


class IllegalTransition(InternalError):
    """Raised on a state change that the tables in `domain.transitions` do not allow; nothing changed."""
