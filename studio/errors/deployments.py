"""What is in the way of serving models."""

from studio.errors.kinds import Conflict, NotFound


class DeploymentNotFound(NotFound):
    code = "deployment_not_found"

    def __init__(self, deployment_id: str) -> None:
        super().__init__(f"This model has no deployment {deployment_id!r}.")


class DeploymentExists(Conflict):
    code = "deployment_exists"


class NoDirectDeployment(Conflict):
    code = "no_direct_deployment"


class DeploymentNameTaken(Conflict):
    code = "name_taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"Another active deployment of this model is called {name!r}; choose another name.", name=name)


class DeploymentStopped(Conflict):
    code = "deployment_stopped"


class DeploymentInUse(Conflict):
    code = "deployment_in_use"


class NotACanary(Conflict):
    code = "not_a_canary"


class DeploymentNotHealthy(Conflict):
    code = "deployment_not_healthy"


class NotDeployed(Conflict):
    code = "not_deployed"


class ModelDeployed(Conflict):
    code = "model_deployed"
