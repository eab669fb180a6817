import Link from 'next/link';
import {Comments} from '../integrations/next/Comments.jsx';

export default function Layout({children}) {
  return (
    <html lang="en">
      <body>
        <nav>
          <Link href="/next-one/">One</Link> <Link href="/next-two/">Two</Link>
        </nav>
        {children}
        <Comments server={process.env.PUBLIC_SERVER} site={1} />
      </body>
    </html>
  );
}
