"""What the confs of all servers under load begin with."""

HEAD = """[server]
ip = 127.0.0.1
port = {port}
threads = {threads}
securekey = bench-0123456789-bench-0123456789
admin_password = bench-password
"""
