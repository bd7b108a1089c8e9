# SPDX-License-Identifier: Apache-2.0
"""Where botocore would take credentials from. Reads a JSON document from a file, prints one.

    credentials.py FILE   {"cases": [{environment, profile, credentials, config}], "lines": [text]}
                          -> {"origins": [text], "words": [[word] or null]}

An origin is the name of botocore's provider with what makes it out; `error` when botocore refuses. Nothing is asked of
anybody: what would be asked is replaced.
"""
import json
import os
import pathlib
import shlex
import sys
import tempfile

import botocore.credentials
import botocore.session
import botocore.utils

LATER = "2099-01-01T00:00:00Z"


def keys(method):
    return botocore.credentials.Credentials("-", "-", method=method)


def login(self):
    profile = self._load_config().get("profiles", {}).get(self._profile_name, {})
    return keys("login") if "login_session" in profile else None


def container(self, full_url, headers):
    return {"AccessKeyId": full_url, "SecretAccessKey": "-", "Token": "-", "Expiration": LATER}


botocore.credentials.InstanceMetadataProvider.load = lambda self: keys("iam-role")
botocore.credentials.LoginProvider.load = login
botocore.credentials.ProcessProvider._retrieve_credentials_using = lambda self, line: {
    "access_key": "|".join(shlex.split(line)), "secret_key": "-"}
botocore.utils.ContainerMetadataFetcher._retrieve_credentials = container


def described(credentials):
    method = credentials.method
    if method in ("sso", "login", "iam-role"):
        return method
    if not method.startswith("assume-role"):
        return f"{method}:{credentials.access_key}"
    fetcher = credentials._refresh_using.__self__
    words = fetcher._assume_kwargs
    session = "" if fetcher._using_default_session_name else words["RoleSessionName"]
    if method == "assume-role-with-web-identity":
        path = fetcher._web_identity_token_loader._web_identity_token_path
        return f"{method}:{words['RoleArn']}:{path}:{session}"
    text = f"{method}:{words['RoleArn']}:{words.get('ExternalId', '')}:{session}:{words.get('DurationSeconds', '')}"
    return f"{text}<-{described(fetcher._source_credentials)}"


def origin(case, home):
    for name in ("credentials", "config"):
        file = pathlib.Path(home, ".aws", name)
        file.unlink(missing_ok=True)
        if case.get(name) is not None:
            file.write_text(case[name])
    os.environ.clear()
    os.environ.update({"HOME": home, **case["environment"]})
    try:
        session = botocore.session.Session(profile=case.get("profile"))
        found = botocore.credentials.create_credential_resolver(session).load_credentials()
        return described(found) if found else "none"
    except Exception:  # whatever it is, it is a refusal
        return "error"


def words(line):
    try:
        return shlex.split(line)
    except ValueError:
        return None


request = json.loads(pathlib.Path(sys.argv[1]).read_text())
with tempfile.TemporaryDirectory() as home:
    pathlib.Path(home, ".aws").mkdir()
    print(json.dumps({
        "origins": [origin(each, home) for each in request.get("cases", [])],
        "words": [words(each) for each in request.get("lines", [])],
    }))
