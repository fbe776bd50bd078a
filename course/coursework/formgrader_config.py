"""The server behind `make formgrader`: nbgrader's pages, which may load nothing from any other host."""

c = get_config()  # noqa: F821  traitlets hands it to this file

c.ServerApp.jpserver_extensions = {"nbgrader.server_extensions.formgrader": True}
c.ServerApp.default_url = "/formgrader"  # only there the token becomes a session
c.ServerApp.open_browser = True
policy = "default-src 'self' data:; script-src 'self' 'unsafe-inline' 'unsafe-eval'"
policy += "; style-src 'self' 'unsafe-inline'"
c.ServerApp.tornado_settings = {"headers": {"Content-Security-Policy": f"{policy}; frame-ancestors 'self'"}}
