# Perdure snapshot, source, format 1. This is parsed, never executed.

passport = Passport(
    format=1,
    application='harbour',
    holds='blueprint',
    written='2026-11-21T16:34:24Z',
    writer='perdure 0.1.0',
    python='3.11.7',
    names=[
        'perdure.app.application:Application',
        'perdure.app.application:ProcessSettings',
        'perdure.app.collection:ServiceCollection',
        'perdure.app.endpoints:TCPEndpoint',
        'perdure.app.registry:Registry',
        'perdure.app.web.limits:Limits',
        'perdure.app.web.script:ResourceScript',
        'perdure.app.web.service:WebService',
        'perdure.app.web.site:Site',
        'perdure.app.web.static:File',
    ],
    paths=['/tmp/perdure-corpus'],
    origin=None,
    secret={},
    sequence=0,
    classes={
        'perdure.app.application:Application': '1; name: str; services: perdure.app.collection.ServiceCollection; registry: perdure.app.registry.Registry; process: perdure.app.application.ProcessSettings; paths: list[str]',
        'perdure.app.application:ProcessSettings': '1; uid: int | str | None; gid: int | str | None; umask: int | None',
        'perdure.app.collection:ServiceCollection': '1 < perdure.app.service:Service, perdure.app.service:_Unsaved; name: str | None',
        'perdure.app.endpoints:Endpoint': '1;',
        'perdure.app.endpoints:TCPEndpoint': '1 < perdure.app.endpoints:Endpoint; port: int; interface: str; backlog: int | None',
        'perdure.app.registry:Registry': '1; _components: dict[str, object]; _adapters: dict[str, dict[str, collections.abc.Callable[[typing.Any], object]]]',
        'perdure.app.service:Service': '1 < perdure.app.service:_Unsaved',
        'perdure.app.web.limits:Limits': '1; head: int; fields: int; body: int; buffer: int; drain: int; head_time: float; body_time: float; idle_time: float; send_time: float; linger_time: float; connections: int; session_time: float; sessions: int',
        'perdure.app.web.script:ResourceScript': '1 < perdure.app.web.resource:Resource',
        'perdure.app.web.service:WebService': '1 < perdure.app.service:Service, perdure.app.service:_Unsaved; name: str | None',
        'perdure.app.web.site:Site': '1; resource: perdure.app.web.resource.Resource; log: str | None; headers: tuple[tuple[str, str], ...]; display_tracebacks: bool; limits: perdure.app.web.limits.Limits',
        'perdure.app.web.static:File': '1 < perdure.app.web.resource:Resource',
    },
)

signature = Signature(
    key='cb6c15f4d02120a93d929bd7ef13b6846b21508f2484583c41a70183707b5235',
    value='8bc37148eefe2bd5e56b1cbd21368cc13b359f2a887d1cf785d05270c88cd6a7e25fe9fa42d3d5115d0837e6cc3fe33182bb0d55083944079d64b54ddf32110f',
)

application = Instance(
    'perdure.app.application.Application',
    name='harbour',
    services=Instance(
        'perdure.app.collection.ServiceCollection',
        name=None,
        _services=[
            Instance(
                'perdure.app.web.service.WebService',
                name='web',
                site=Instance(
                    'perdure.app.web.site.Site',
                    resource=Instance(
                        'perdure.app.web.static.File',
                        path='/tmp/perdure-corpus/site',
                        processors={'.rpy': Class('perdure.app.web.script.ResourceScript')},
                    ),
                    log=None,
                    headers=(('X-Corpus', 'yes'),),
                    display_tracebacks=False,
                    limits=Instance(
                        'perdure.app.web.limits.Limits',
                        head=16384,
                        fields=100,
                        body=16777216,
                        buffer=65536,
                        drain=262144,
                        head_time=20.0,
                        body_time=30.0,
                        idle_time=75.0,
                        send_time=60.0,
                        linger_time=5.0,
                        connections=10000,
                        session_time=900.0,
                        sessions=100000,
                    ),
                ),
                endpoints=[
                    Instance(
                        'perdure.app.endpoints.TCPEndpoint',
                        port=0,
                        interface='127.0.0.1',
                        backlog=None,
                    ),
                ],
            ),
        ],
    ),
    registry=Instance('perdure.app.registry.Registry', _components={}, _adapters={}),
    process=Instance('perdure.app.application.ProcessSettings', uid=None, gid=None, umask=None),
    paths=['/tmp/perdure-corpus'],
)
