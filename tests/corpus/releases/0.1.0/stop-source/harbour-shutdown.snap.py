# Perdure snapshot, source, format 1. This is parsed, never executed.

passport = Passport(
    format=1,
    application='harbour',
    holds='state',
    written='2026-11-21T16:34:25Z',
    writer='perdure 0.1.0',
    python='3.11.7',
    names=[
        'builtins:Ellipsis',
        'builtins:NotImplemented',
        'builtins:complex',
        'builtins:dict',
        'builtins:int',
        'builtins:list',
        'builtins:range',
        'builtins:slice',
        'collections:ChainMap',
        'collections:Counter',
        'collections:OrderedDict',
        'collections:defaultdict',
        'collections:deque',
        'datetime:date',
        'datetime:datetime',
        'datetime:time',
        'datetime:timedelta',
        'datetime:timezone',
        'decimal:Decimal',
        'fractions:Fraction',
        'harbour:Berth',
        'harbour:Boat',
        'harbour:Cargo',
        'harbour:Flag',
        'harbour:Flag()',
        'harbour:Log',
        'harbour:Names',
        'harbour:Office',
        'harbour:Place',
        'harbour:Plain',
        'harbour:Slotted',
        'harbour:Tide',
        'harbour:values',
        'ipaddress:IPv4Address',
        'ipaddress:IPv4Interface',
        'ipaddress:IPv4Network',
        'ipaddress:IPv6Address',
        'ipaddress:IPv6Interface',
        'ipaddress:IPv6Network',
        'pathlib:PurePosixPath',
        'pathlib:PureWindowsPath',
        'perdure.app.alarms:Alarm',
        'perdure.app.alarms:Alarms',
        'perdure.app.application:Application',
        'perdure.app.application:ProcessSettings',
        'perdure.app.collection:ServiceCollection',
        'perdure.app.endpoints:TCPEndpoint',
        'perdure.app.registry:Registry',
        'perdure.app.web.limits:Limits',
        'perdure.app.web.script:ResourceScript',
        'perdure.app.web.service:WebService',
        'perdure.app.web.sessions:KeptSession',
        'perdure.app.web.site:Site',
        'perdure.app.web.static:File',
        'perdure.persist.concealment:sealed',
        'perdure.persist.concealment:sealed()',
        'perdure.persist.secret:Secret',
        'types:GenericAlias',
        'types:SimpleNamespace',
        'uuid:UUID',
    ],
    paths=['/tmp/perdure-corpus', '/tmp/perdure-corpus/site'],
    origin='1acc9c0b01ddca9ae146b868af908a28a034c761491ba9c055b6c3c94e8107fa',
    secret={'harbour:Office': ['password'], 'perdure.persist.secret:Secret': ['_value']},
    sequence=3,
    classes={
        'harbour:Berth': '1; number: int; boat: harbour.Boat | None',
        'harbour:Boat': '2; name: str; crew: list[str]; next: typing.Any',
        'harbour:Cargo': '1; weight: decimal.Decimal; goods: list[str]',
        'harbour:Office': '1; ?; !password',
        'harbour:Tide': '1; high: datetime.datetime; metres: float',
        'perdure.app.alarms:Alarm': '1; number: int; when: float; component: typing.Any; method: str; arguments: tuple[object, ...]; seconds: float | None',
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
        'perdure.app.web.sessions:KeptSession': '1; name: str; timeout: float; last: float; components: dict[str, object]; calls: tuple[tuple[collections.abc.Callable[..., object], tuple[object, ...]], ...]',
        'perdure.app.web.site:Site': '1; resource: perdure.app.web.resource.Resource; log: str | None; headers: tuple[tuple[str, str], ...]; display_tracebacks: bool; limits: perdure.app.web.limits.Limits',
        'perdure.app.web.static:File': '1 < perdure.app.web.resource:Resource',
        'perdure.persist.secret:Secret': '1; _value: ~T; !_value',
    },
    blueprint='4505b7aac65e65a7e28b5a62edfeab9821e60464e2dfc1775a54960ba44483c6',
)

signature = Signature(
    key='cb6c15f4d02120a93d929bd7ef13b6846b21508f2484583c41a70183707b5235',
    value='5a510b8d166eee1cb82b0cb1ed0f09c39db76ca8045d50b4fea3288213495c7650df64c35d3ec79a4a133dabd15c334ff00e9dc87efdde0b0515310f9c3d2a09',
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
    registry=Instance(
        'perdure.app.registry.Registry',
        _components={
            'harbour.Plain:values': Instance(
                'harbour.Plain',
                scalars=[
                    None,
                    True,
                    False,
                    0,
                    -1,
                    1606938044258990275541962092341162602522202993782792835301376,
                    Class('builtins.Ellipsis'),
                    Class('builtins.NotImplemented'),
                ],
                floats=[
                    0.0,
                    -0.0,
                    1e+300,
                    0.1,
                    float('inf'),
                    float('-inf'),
                    float('nan'),
                    Copyreg('builtins.complex', (1.0, 2.0)),
                ],
                texts=['', 'tide', '\n\t\r', 'Ü ∞ 🌊', '\ud800', '\x00\x1b<&]]>\'"\\'],
                bytes=[
                    b'',
                    Base64(
                        'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5fYGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn+AgYKDhIWGh4iJiouMjY6PkJGSk5SVlpeYmZqbnJ2en6ChoqOkpaanqKmqq6ytrq+wsbKztLW2t7i5uru8vb6/wMHCw8TFxsfIycrLzM3Oz9DR0tPU1dbX2Nna29zd3t/g4eLj5OXm5+jp6uvs7e7v8PHy8/T19vf4+fr7/P3+/w=='
                    ),
                    bytearray(b'changeable'),
                ],
                containers=[
                    [],
                    (),
                    {},
                    set(),
                    frozenset({1, 2}),
                    {1, 2, 3},
                    {
                        'a': {1: (2,)},
                    },
                ],
                collections=[
                    Copyreg('collections.deque', ((), 5), Members(1, 2)),
                    Copyreg('collections.OrderedDict', (), Items({'b': 1, 'a': 2})),
                    Copyreg('collections.Counter', ({'h': 1, 'e': 1, 'l': 2, 'o': 1},)),
                    Copyreg('collections.defaultdict', (Function('builtins.list'),), Items({'k': [1]})),
                    Instance(
                        'collections.ChainMap',
                        maps=[{'a': 1}, {'b': 2}],
                    ),
                ],
                times=[
                    Date('1989-11-09'),
                    Datetime(
                        '2026-11-21T12:30:01.000005 fold=1',
                        Ref(1, Copyreg('datetime.timezone', (Copyreg('datetime.timedelta', (0, 19800, 0)), 'IST'))),
                    ),
                    Datetime('2026-01-01T00:00:00'),
                    Time(
                        '23:59:59.999999',
                        Ref(2, Copyreg('datetime.timezone', (Copyreg('datetime.timedelta', (0, 0, 0)),))),
                    ),
                    Copyreg('datetime.timedelta', (-1, 2, 3)),
                    Deref(1),
                ],
                numbers=[
                    Decimal('1.10'),
                    Decimal('NaN'),
                    Decimal('-0'),
                    Copyreg('fractions.Fraction', (-1, 3)),
                    Copyreg('builtins.range', (1, 10, 3)),
                    Copyreg('builtins.slice', (1, None, 2)),
                ],
                addresses=[
                    Copyreg('ipaddress.IPv4Address', (3221225985,)),
                    Copyreg('ipaddress.IPv6Address', ('2001:db8::1',)),
                    Copyreg('ipaddress.IPv4Network', ('192.0.2.0/24',)),
                    Copyreg('ipaddress.IPv6Network', ('2001:db8::/32',)),
                    Copyreg('ipaddress.IPv4Interface', ('192.0.2.1/24',)),
                    Copyreg('ipaddress.IPv6Interface', ('2001:db8::1/64',)),
                ],
                paths=[
                    Copyreg('pathlib.PurePosixPath', ('/', 'a', 'b')),
                    Copyreg('pathlib.PureWindowsPath', ('c:\\', 'x')),
                ],
                ids=[
                    Instance('uuid.UUID', int=7),
                    Copyreg(
                        'types.SimpleNamespace',
                        (),
                        a=1,
                        b=[
                            Ref(3, ['shared']),
                        ],
                    ),
                    Copyreg('types.GenericAlias', (Function('builtins.list'), (Function('builtins.int'),))),
                ],
                named=[
                    Copyreg('harbour.Flag', (1,)),
                    Copyreg('harbour.Flag', ('green',)),
                    Instance('harbour.Place', Arguments(54.3, 10.1)),
                    Instance('harbour.Names', Items({'a': 'b'}), note='noted'),
                    Class('harbour.Plain'),
                    Function('harbour.values'),
                    Function('builtins.dict'),
                ],
                shared=[Deref(3), Deref(3)],
                ring=Ref(4, [Deref(3), Deref(4)]),
                deep=[
                    [
                        [
                            [
                                [
                                    [
                                        [
                                            [
                                                [
                                                    [
                                                        [
                                                            [
                                                                [
                                                                    [
                                                                        [
                                                                            [
                                                                                [
                                                                                    [
                                                                                        [
                                                                                            [
                                                                                                [
                                                                                                    [
                                                                                                        [
                                                                                                            [
                                                                                                                [
                                                                                                                    [
                                                                                                                        [
                                                                                                                            [
                                                                                                                                [
                                                                                                                                    [
                                                                                                                                        [
                                                                                                                                            [
                                                                                                                                                [
                                                                                                                                                    [
                                                                                                                                                        [
                                                                                                                                                            [
                                                                                                                                                                Deref(5),
                                                                                                                                                            ],
                                                                                                                                                        ],
                                                                                                                                                    ],
                                                                                                                                                ],
                                                                                                                                            ],
                                                                                                                                        ],
                                                                                                                                    ],
                                                                                                                                ],
                                                                                                                            ],
                                                                                                                        ],
                                                                                                                    ],
                                                                                                                ],
                                                                                                            ],
                                                                                                        ],
                                                                                                    ],
                                                                                                ],
                                                                                            ],
                                                                                        ],
                                                                                    ],
                                                                                ],
                                                                            ],
                                                                        ],
                                                                    ],
                                                                ],
                                                            ],
                                                        ],
                                                    ],
                                                ],
                                            ],
                                        ],
                                    ],
                                ],
                            ],
                        ],
                    ],
                ],
            ),
            'harbour.Slotted': Ref(6, Instance(
                'harbour.Slotted',
                (
                    None,
                    {
                        'left': [
                            Ref(7, Instance(
                                'harbour.Boat',
                                name='Anna II',
                                crew=['Olga', 'Per', 'Sven'],
                                next=Instance('harbour.Boat', name='Berta', crew=['Ida'], next=Deref(7)),
                            )),
                        ],
                        'right': Deref(6),
                    },
                ),
            )),
            'harbour.Boat': Deref(7),
            'harbour.Berth': Instance('harbour.Berth', number=7, boat=Deref(7)),
            'harbour.Cargo': Instance('harbour.Cargo', weight=Decimal('12.50'), goods=['fish']),
            'harbour.Tide': Instance(
                'harbour.Tide',
                [Datetime('2999-01-01T00:00:00', Deref(2)), 2.25],
            ),
            'harbour.Office': Instance(
                'harbour.Office',
                password=Concealed(
                    '2157854dbfb65790',
                    'JOZkjdsa+NuU0WDmIpmEvjLBRucVFb+vj3jaOEn/Ty1SPeu7VlwKJZOoEyAsx/4jQJ/WErDcUZ4n1K6ZA0lx18C1vRh+P0fnhvbRS44OuPE=',
                ),
                visits=1,
            ),
            'harbour.Plain:safe': Instance(
                'harbour.Plain',
                pin=Instance(
                    'perdure.persist.secret.Secret',
                    _value=Concealed(
                        '2157854dbfb65790',
                        'vpWPHaHY9LCJtZ8zXwmzf3JltcEJSztAUGB0eEjIfLu0dCzfAaqHBfCDpOEIL8d6c/rAemuUf/u/nTGUZdspIUjTR373h6AweDdx0tU5zb4=',
                    ),
                ),
            ),
            'harbour.Plain:keeper': Ref(8, Instance('harbour.Plain', rung=None)),
            'perdure.app.alarms.Alarms': Instance(
                'perdure.app.alarms.Alarms',
                _alarms={
                    1: Instance(
                        'perdure.app.alarms.Alarm',
                        number=1,
                        when=32472144000.0,
                        component=Deref(8),
                        method='ring',
                        arguments=('high', 1),
                        seconds=None,
                    ),
                },
                _last=2,
            ),
            'harbour.Log': Instance(
                'harbour.Log',
                entries=[
                    ('first', 1795278865.1042695, 0.2159765088143636, Deref(7)),
                    ('second', 1795278865.1786435, 0.41289027886388063, Deref(7)),
                    'leak',
                    ('mended', 1795278865.1792412, 0.5410389960449163, None),
                    ('third', 1795278865.7390947, 0.21104808495404948, None),
                ],
            ),
            'perdure.app.web.sessions.KeptSession:fade8381e03b2dd8a51914c7d387eca151e71e5a93b6b0b9c9f18bd88e474923': Instance(
                'perdure.app.web.sessions.KeptSession',
                name='fade8381e03b2dd8a51914c7d387eca151e71e5a93b6b0b9c9f18bd88e474923',
                timeout=900.0,
                last=1795278865.1238248,
                components={
                    'harbour.Cargo': Instance('harbour.Cargo', weight=Decimal('2'), goods=['bread', 'salt']),
                },
                calls=(),
            ),
            'harbour.Plain:new': Instance('harbour.Plain', boat=Deref(7)),
            'harbour.Cargo:late': Instance('harbour.Cargo', weight=Decimal('0.001'), goods=[]),
        },
        _adapters={},
    ),
    process=Instance('perdure.app.application.ProcessSettings', uid=None, gid=None, umask=None),
    paths=['/tmp/perdure-corpus', '/tmp/perdure-corpus/site'],
)

Ref(5, [
    [
        [
            [
                [
                    [
                        [
                            [
                                [
                                    [
                                        [
                                            [
                                                [[[]]],
                                            ],
                                        ],
                                    ],
                                ],
                            ],
                        ],
                    ],
                ],
            ],
        ],
    ],
])
