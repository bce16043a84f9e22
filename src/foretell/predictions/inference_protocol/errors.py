"""What can be wrong with tensors."""

from foretell.errors import Invalid


class TensorsInvalid(Invalid):
    """The request is not one of the protocol, or its tensors do not fit the model."""

    slug = "tensors-invalid"
