"""nginx and HAProxy: one worker that keeps upstream connections, logs nothing, checks a token."""

from pathlib import Path

from tests.benchmarks.opponents.model import EVERYTHING, REFUSAL, Launch, Opponent, Programs, SetUp

_NGINX = """
{modules}
daemon off;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 100000000;
  client_max_body_size 0;
  {check}
  upstream function {{
    server 127.0.0.1:{upstream};
    keepalive 512;
    keepalive_requests 100000000;
  }}
  server {{
    listen 127.0.0.1:{port}{listen} backlog=1024;
    {tls}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header X-Jelou-Token "";
    location / {{
      {gate}
      proxy_pass http://function;
      location ~ ^/(down|up|events) {{
        proxy_buffering off;
        proxy_request_buffering off;
        proxy_buffer_size 64k;
        proxy_buffers 8 64k;
        client_body_buffer_size 64k;
        proxy_pass http://function;
        {gate}
      }}
    }}
    error_page 401 = @refused;
    location @refused {{ default_type application/json; return 401 '{refusal}'; }}
  }}
}}
"""

_LUA_CHECK = """
  lua_package_path "{packages}/?.lua;;";
  init_by_lua_block {{
    ffi = require "ffi"
    ffi.cdef "unsigned char *SHA256(const unsigned char *d, size_t n, unsigned char *md);"
    digest = ffi.new "unsigned char[32]"
    known = {{}}
    for line in io.lines "{folder}/digests" do
      known[line:gsub("..", function(pair) return string.char(tonumber(pair, 16)) end)] = true
    end
  }}
"""

_LUA_GATE = """
      access_by_lua_block {
        local token = ngx.var.http_x_jelou_token
        if not token then return ngx.exit(401) end
        ffi.C.SHA256(token, #token, digest)
        if not known[ffi.string(digest, 32)] then return ngx.exit(401) end
      }
"""

_HAPROXY = """
global
  nbthread {workers}
  maxconn 4096
  {certificates}
defaults
  mode http
  timeout connect 5s
  timeout client 75s
  timeout server 75s
  timeout http-keep-alive 75s
  option http-keep-alive
  http-reuse always
frontend edge
  bind 127.0.0.1:{port} {tls}
  {check}
  http-request return status 401 content-type application/json string '{refusal}' unless known
  http-request del-header X-Jelou-Token
  default_backend function
backend function
  server function 127.0.0.1:{upstream} pool-max-conn 1024
"""


def nginx_map(setup: SetUp, programs: Programs) -> Launch:
    """Nginx as most people would: a `map` of the tokens."""
    known = "\n".join(f'    "{token}" 1;' for token in setup.tokens)
    size = "map_hash_max_size 8192; map_hash_bucket_size 128;"
    check = f"{size}\n  map $http_x_jelou_token $known {{\n    default 0;\n{known}\n  }}"
    return _nginx(setup, programs, check, "if ($known = 0) { return 401; }")


def nginx_lua(setup: SetUp, programs: Programs) -> Launch:
    """Nginx with Lua: SHA-256 by OpenSSL, then a table."""
    setup.write("digests", "\n".join(setup.digests) + "\n")
    lua = programs["nginx-lua"]
    check = _LUA_CHECK.format(packages=lua.env["LUA_PACKAGES"], folder=setup.folder)
    folder = lua.path
    modules = "\n".join(
        f"load_module {folder}/{name}_module.so;" for name in ("ndk_http", "ngx_http_lua")
    )
    return _nginx(setup, programs, check, _LUA_GATE, modules)


def nginx_function(folder: Path, port: int, answer: bytes, programs: Programs) -> Launch:
    """Nginx as the function: one location that answers."""
    config = folder / "function.conf"
    config.write_text(
        f"""daemon off; worker_processes 1; pid {folder}/function.pid; error_log stderr error;
events {{ worker_connections 16384; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  keepalive_requests 100000000; keepalive_timeout 3600s;
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{ default_type application/json; return 200 '{answer.decode()}'; }}
  }}
}}
""",
        "utf-8",
    )
    return Launch([str(programs["nginx"].path), "-p", str(folder), "-c", str(config)])


def _nginx(setup: SetUp, programs: Programs, check: str, gate: str, modules: str = "") -> Launch:
    program = programs["nginx"]
    tls = setup.tls
    files = f"ssl_certificate {tls.certificate}; ssl_certificate_key {tls.key};" if tls else ""
    text = _NGINX.format(
        modules=modules,
        workers=setup.workers,
        folder=setup.folder,
        port=setup.port,
        upstream=setup.upstream,
        check=check,
        gate=gate,
        listen=" ssl http2" if tls else "",
        tls=files,
        refusal=REFUSAL,
    )
    config = setup.write("nginx.conf", text)
    env = {**program.env, **(programs["nginx-lua"].env if modules else {})}
    return Launch([str(program.path), "-p", str(setup.folder), "-c", str(config)], env)


def haproxy_acl(setup: SetUp, programs: Programs) -> Launch:
    """HAProxy as most people would: an ACL file of the tokens."""
    tokens = setup.write("tokens", "\n".join(setup.tokens) + "\n")
    return _haproxy(setup, programs, f"acl known req.hdr(x-jelou-token) -m str -f {tokens}")


def haproxy_sha2(setup: SetUp, programs: Programs) -> Launch:
    """HAProxy with its SHA-2 converter, and an ACL file of the digests."""
    digests = setup.write("digests", "\n".join(each.upper() for each in setup.digests) + "\n")
    fetch = "req.hdr(x-jelou-token),sha2(256),hex"
    return _haproxy(setup, programs, f"acl known {fetch} -m str -f {digests}")


def _haproxy(setup: SetUp, programs: Programs, check: str) -> Launch:
    tls, bind = setup.tls, ""
    if tls is not None:
        both = tls.certificate.read_text("utf-8") + tls.key.read_text("utf-8")
        bind = f"ssl crt {setup.write('both.pem', both)} alpn h2,http/1.1"
    text = _HAPROXY.format(
        workers=setup.workers,
        certificates="tune.ssl.default-dh-param 2048" if tls else "",
        port=setup.port,
        upstream=setup.upstream,
        tls=bind,
        check=check,
        refusal=REFUSAL.replace('"', '\\"').replace("'", ""),
    )
    config = setup.write("haproxy.cfg", text)
    program = programs["haproxy"]
    return Launch([str(program.path), "-db", "-f", str(config)], program.env)


OPPONENTS = (
    Opponent("nginx, map", "map of 1,000 tokens", False, ("nginx",), nginx_map, EVERYTHING),
    Opponent("nginx, Lua", "SHA-256 of 1,000", True, ("nginx", "nginx-lua"), nginx_lua, EVERYTHING),
    Opponent(
        "HAProxy, ACL", "ACL file of 1,000 tokens", False, ("haproxy",), haproxy_acl, EVERYTHING
    ),
    Opponent("HAProxy, SHA-2", "SHA-256 of 1,000", True, ("haproxy",), haproxy_sha2, EVERYTHING),
)
