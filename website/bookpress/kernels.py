"""Kernels that encrypt what they and the build say to each other; an unencrypted one prints a warning."""

from jupyter_client.provisioning import LocalProvisioner


class EncryptedProvisioner(LocalProvisioner):
    """Starts a kernel on this machine, with encryption where the kernel supports it.

    pyproject.toml registers it as `encrypted`. Neither MyST-NB nor jupyter-cache passes settings on to the
    kernel manager, but all kernels are started by the provisioner named in $JUPYTER_DEFAULT_PROVISIONER_NAME.
    """

    async def pre_launch(self, **kwargs) -> dict:
        return await super().pre_launch(transport_encryption="auto", **kwargs)
