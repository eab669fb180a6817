export default {output: 'export', trailingSlash: true, env: {PUBLIC_SERVER: process.env.PUBLIC_SERVER}};
