"""Kernels as the build needs them: encrypted, and with charts as SVG (see extension/charts.py)."""

from jupyter_client.provisioning import LocalProvisioner

CHARTS = (
    "--InlineBackend.figure_formats=svg",
    "--InlineBackend.print_figure_kwargs={'bbox_inches':'tight','metadata':{'Date':None}}",
    "--InlineBackend.rc={'svg.fonttype':'none','svg.hashsalt':'attnbook'}",
)


class EncryptedProvisioner(LocalProvisioner):
    """Starts a kernel on this machine, with encryption where the kernel supports it; others print a warning.

    pyproject.toml registers it as `encrypted`. Neither MyST-NB nor jupyter-cache passes settings on to the
    kernel manager, but all kernels are started by the provisioner named in $JUPYTER_DEFAULT_PROVISIONER_NAME.
    """

    async def pre_launch(self, **kwargs) -> dict:
        arguments = [*kwargs.pop("extra_arguments", []), *CHARTS]
        return await super().pre_launch(transport_encryption="auto", extra_arguments=arguments, **kwargs)
