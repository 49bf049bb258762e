"""What is in the way of models, their configuration, and the people who share them."""

from studio.errors.kinds import Conflict, Forbidden, InvalidInput, NotFound


class ModelNotFound(NotFound):
    code = "model_not_found"

    def __init__(self, model_id: str) -> None:
        super().__init__(f"There is no model {model_id!r}.")


class NameTaken(Conflict):
    code = "name_taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"The name {name!r} is taken in this organization; choose another.", name=name)


class ModelTraining(Conflict):
    code = "model_training"


class ModelArchived(Conflict):
    code = "model_archived"


class ImmutableField(InvalidInput):
    code = "immutable_field"


class TargetInFeatures(InvalidInput):
    code = "target_in_features"


class UnknownColumn(InvalidInput):
    code = "unknown_column"


class UnknownAlgorithm(InvalidInput):
    code = "unknown_algorithm"


class BadHyperparameter(InvalidInput):
    code = "bad_hyperparameter"


class NotAMember(Forbidden):
    code = "not_a_member"


class AlreadyCollaborator(Conflict):
    code = "already_collaborator"


class CollaboratorNotFound(NotFound):
    code = "collaborator_not_found"

    def __init__(self, user_id: str) -> None:
        super().__init__(f"This model has no collaborator {user_id!r}.")


class OwnerCannotBeRemoved(InvalidInput):
    code = "owner_cannot_be_removed"


class OwnerRoleFixed(InvalidInput):
    code = "owner_role_fixed"


class AlreadyArchived(Conflict):
    code = "already_archived"


class NotArchived(Conflict):
    code = "not_archived"
